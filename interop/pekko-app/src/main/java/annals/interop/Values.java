package annals.interop;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.Base64;
import java.util.LinkedHashSet;
import java.util.Set;
import org.apache.pekko.actor.ActorSystem;
import org.apache.pekko.persistence.journal.Tagged;
import org.apache.pekko.serialization.jackson.JacksonObjectMapperProvider;
import org.apache.pekko.util.ByteString;
import scala.jdk.javaapi.CollectionConverters;

/**
 * Events and snapshots as they stand in requests and answers: {@code {"kind": …, "value": …}}. The kind
 * decides on the class, and so on the serializer.
 */
final class Values {
  private final ObjectMapper json;

  Values(ActorSystem system) {
    // Pekko's own mapper, so that a value means what its serializer takes it for.
    json = JacksonObjectMapperProvider.get(system).getOrCreate("jackson-json", java.util.Optional.empty());
  }

  Object fromJson(JsonNode node) throws Exception {
    JsonNode value = node.path("value");
    Object plain =
        switch (node.path("kind").asText()) {
          case "string" -> value.asText();
          case "int" -> value.intValue();
          case "long" -> value.longValue();
          case "boolean" -> value.booleanValue();
          case "bytes" -> Base64.getDecoder().decode(value.asText());
          case "bytestring" -> ByteString.fromArray(Base64.getDecoder().decode(value.asText()));
          case "json" -> json.treeToValue(value, Order.Json.class);
          case "cbor" -> json.treeToValue(value, Order.Cbor.class);
          case "java" -> new JavaEvent(value.asText());
          case "note" -> new Note(value.asText());
          default -> throw new IllegalArgumentException("unknown kind of value: " + node);
        };
    if (!node.has("tags")) {
      return plain;
    }
    Set<String> tags = new LinkedHashSet<>();
    node.path("tags").forEach(tag -> tags.add(tag.asText()));
    return new Tagged(plain, CollectionConverters.asScala(tags).toSet());
  }

  JsonNode toJson(Object value) {
    ObjectNode node = json.createObjectNode();
    if (value instanceof Tagged tagged) {
      node = (ObjectNode) toJson(tagged.payload());
      ArrayNode tags = node.putArray("tags");
      CollectionConverters.asJava(tagged.tags()).stream().sorted().forEach(tags::add);
      return node;
    }
    if (value instanceof String text) {
      return node.put("kind", "string").put("value", text);
    }
    if (value instanceof Integer number) {
      return node.put("kind", "int").put("value", number);
    }
    if (value instanceof Long number) {
      return node.put("kind", "long").put("value", number);
    }
    if (value instanceof Boolean truth) {
      return node.put("kind", "boolean").put("value", truth);
    }
    if (value instanceof byte[] bytes) {
      return node.put("kind", "bytes").put("value", Base64.getEncoder().encodeToString(bytes));
    }
    if (value instanceof ByteString bytes) {
      String text = Base64.getEncoder().encodeToString(bytes.toArray());
      return node.put("kind", "bytestring").put("value", text);
    }
    if (value instanceof JavaEvent event) {
      return node.put("kind", "java").put("value", event.text());
    }
    if (value instanceof Note note) {
      return node.put("kind", "note").put("value", note.text());
    }
    if (value instanceof Order.Json order) {
      return node.put("kind", "json").set("value", json.valueToTree(order));
    }
    if (value instanceof Order.Cbor order) {
      return node.put("kind", "cbor").set("value", json.valueToTree(order));
    }
    return node.put("kind", "unknown " + value.getClass().getName()).put("value", String.valueOf(value));
  }
}
