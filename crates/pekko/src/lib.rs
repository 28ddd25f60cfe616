//! Apache Pekko's persistence serializers as pure functions over bytes.
