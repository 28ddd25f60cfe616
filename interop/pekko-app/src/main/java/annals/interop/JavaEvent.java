package annals.interop;

import java.io.Serializable;

/** An event for Java serialization (serializer 1), which nothing but a JVM reads. */
record JavaEvent(String text) implements Serializable {}
