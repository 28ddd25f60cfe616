package annals.interop;

import com.datastax.oss.driver.api.core.cql.ColumnDefinition;
import com.datastax.oss.driver.api.core.cql.Row;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.Collection;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.CompletionStage;
import org.apache.pekko.NotUsed;
import org.apache.pekko.actor.ActorSystem;
import org.apache.pekko.persistence.cassandra.query.javadsl.CassandraReadJournal;
import org.apache.pekko.persistence.dynamodb.query.javadsl.DynamoDBReadJournal;
import org.apache.pekko.persistence.query.EventEnvelope;
import org.apache.pekko.persistence.query.NoOffset;
import org.apache.pekko.persistence.query.Offset;
import org.apache.pekko.persistence.query.PersistenceQuery;
import org.apache.pekko.persistence.query.TimeBasedUUID;
import org.apache.pekko.persistence.query.javadsl.CurrentEventsByPersistenceIdQuery;
import org.apache.pekko.persistence.query.javadsl.CurrentPersistenceIdsQuery;
import org.apache.pekko.persistence.query.javadsl.ReadJournal;
import org.apache.pekko.stream.javadsl.Sink;
import org.apache.pekko.stream.javadsl.Source;

/** Pekko's read journal of the store that the system's configuration names. */
final class Queries {
  private static final ObjectMapper JSON = new ObjectMapper();

  private final ActorSystem system;
  private final Values values;

  Queries(ActorSystem system, Values values) {
    this.system = system;
    this.values = values;
  }

  CompletionStage<JsonNode> ids() {
    return ((CurrentPersistenceIdsQuery) journal())
        .currentPersistenceIds()
        .runWith(Sink.seq(), system)
        .thenApply(ids -> JSON.valueToTree(ids));
  }

  CompletionStage<JsonNode> events(String id, JsonNode request) {
    long from = request.path("from").asLong(0);
    // More is refused by the plugin for DynamoDB.
    long to = request.path("to").asLong(Integer.MAX_VALUE);
    return envelopes(
        ((CurrentEventsByPersistenceIdQuery) journal()).currentEventsByPersistenceId(id, from, to));
  }

  /** The events of a tag after an offset; with {@code take}, as a live query that ends at that many. */
  CompletionStage<JsonNode> tagged(JsonNode request) {
    String tag = request.path("tag").asText();
    Offset after =
        request.hasNonNull("after")
            ? new TimeBasedUUID(UUID.fromString(request.path("after").asText()))
            : NoOffset.getInstance();
    var journal = (CassandraReadJournal) journal();
    if (request.has("take")) {
      return envelopes(journal.eventsByTag(tag, after).take(request.path("take").asLong()));
    }
    return envelopes(journal.currentEventsByTag(tag, after));
  }

  private CompletionStage<JsonNode> envelopes(Source<EventEnvelope, NotUsed> events) {
    return events
        .map(
            envelope -> {
              ObjectNode node = JSON.createObjectNode();
              node.put("id", envelope.persistenceId()).put("seq_nr", envelope.sequenceNr());
              node.put("timestamp", envelope.timestamp());
              if (envelope.offset() instanceof TimeBasedUUID offset) {
                node.put("offset", offset.value().toString());
              }
              return (JsonNode) node.set("value", values.toJson(envelope.event()));
            })
        .runWith(Sink.seq(), system)
        .thenApply(all -> JSON.createArrayNode().addAll((List<JsonNode>) all));
  }

  /** The rows of a CQL query, blobs as hexadecimal and everything else as text. */
  CompletionStage<JsonNode> cql(JsonNode request) {
    return ((CassandraReadJournal) journal())
        .session()
        .select(request.path("query").asText())
        .map(Queries::row)
        .runWith(Sink.seq(), system)
        .thenApply(rows -> JSON.createArrayNode().addAll((List<JsonNode>) rows));
  }

  private static JsonNode row(Row row) {
    ObjectNode node = JSON.createObjectNode();
    for (ColumnDefinition column : row.getColumnDefinitions()) {
      String name = column.getName().asInternal();
      Object value = row.getObject(column.getName());
      if (value == null) {
        node.putNull(name);
      } else if (value instanceof java.nio.ByteBuffer bytes) {
        node.put(name, com.datastax.oss.protocol.internal.util.Bytes.toHexString(bytes));
      } else if (value instanceof Number number) {
        node.put(name, number.longValue());
      } else if (value instanceof Collection<?> items) {
        ArrayNode array = node.putArray(name);
        items.stream().map(String::valueOf).sorted().forEach(array::add);
      } else {
        node.put(name, String.valueOf(value));
      }
    }
    return node;
  }

  private ReadJournal journal() {
    String plugin = system.settings().config().getString("pekko.persistence.journal.plugin");
    var query = PersistenceQuery.get(system);
    return plugin.startsWith("dynamodb")
        ? query.getReadJournalFor(DynamoDBReadJournal.class, DynamoDBReadJournal.Identifier())
        : query.getReadJournalFor(CassandraReadJournal.class, CassandraReadJournal.Identifier());
  }
}
