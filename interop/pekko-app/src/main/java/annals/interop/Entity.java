package annals.interop;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayDeque;
import java.util.Iterator;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.CompletableFuture;
import org.apache.pekko.actor.Props;
import org.apache.pekko.persistence.AbstractPersistentActor;
import org.apache.pekko.persistence.DeleteMessagesFailure;
import org.apache.pekko.persistence.DeleteMessagesSuccess;
import org.apache.pekko.persistence.DeleteSnapshotsFailure;
import org.apache.pekko.persistence.DeleteSnapshotsSuccess;
import org.apache.pekko.persistence.Recovery;
import org.apache.pekko.persistence.RecoveryCompleted;
import org.apache.pekko.persistence.SaveSnapshotFailure;
import org.apache.pekko.persistence.SaveSnapshotSuccess;
import org.apache.pekko.persistence.SnapshotOffer;
import org.apache.pekko.persistence.SnapshotSelectionCriteria;
import scala.Option;

/** A persistent actor whose state is everything that it was given: a snapshot and events. */
final class Entity extends AbstractPersistentActor {
  private static final ObjectMapper JSON = new ObjectMapper();

  /** How several events are written: one append each, all in one, or one each without waiting. */
  enum Mode {
    EACH,
    ALL,
    ASYNC
  }

  record Persist(List<Object> events, Mode mode, CompletableFuture<JsonNode> reply) {}

  record State(CompletableFuture<JsonNode> reply) {}

  record Delete(long to, CompletableFuture<JsonNode> reply) {}

  record SaveSnapshot(Object state, CompletableFuture<JsonNode> reply) {}

  record DeleteSnapshots(long min, long max, CompletableFuture<JsonNode> reply) {}

  private final String id;
  private final Recovery recovery;
  private final Values values;
  private final CompletableFuture<JsonNode> recovered;

  private final ArrayNode events = JSON.createArrayNode();
  private JsonNode snapshot = JSON.nullNode();

  private Pending pending;
  private final Queue<CompletableFuture<JsonNode>> deletes = new ArrayDeque<>();
  private final Queue<CompletableFuture<JsonNode>> saves = new ArrayDeque<>();
  private final Queue<CompletableFuture<JsonNode>> snapshotDeletes = new ArrayDeque<>();

  /** A request to persist whose events are not all answered yet. */
  private static final class Pending {
    final CompletableFuture<JsonNode> reply;
    final ArrayNode rejected = JSON.createArrayNode();
    int left;

    Pending(CompletableFuture<JsonNode> reply, int left) {
      this.reply = reply;
      this.left = left;
    }
  }

  private Entity(
      String id, Recovery recovery, Values values, CompletableFuture<JsonNode> recovered) {
    this.id = id;
    this.recovery = recovery;
    this.values = values;
    this.recovered = recovered;
  }

  static Props props(
      String id, JsonNode recovery, Values values, CompletableFuture<JsonNode> recovered) {
    var criteria =
        recovery.path("snapshot").asBoolean(true)
            ? SnapshotSelectionCriteria.latest()
            : SnapshotSelectionCriteria.none();
    long to = recovery.path("to").asLong(Long.MAX_VALUE);
    long max = recovery.path("max").asLong(Long.MAX_VALUE);
    var how = Recovery.create(criteria, to, max);
    return Props.create(Entity.class, () -> new Entity(id, how, values, recovered));
  }

  @Override
  public String persistenceId() {
    return id;
  }

  @Override
  public Recovery recovery() {
    return recovery;
  }

  @Override
  public Receive createReceiveRecover() {
    return receiveBuilder()
        .match(RecoveryCompleted.class, completed -> recovered.complete(state()))
        .match(
            SnapshotOffer.class,
            offer ->
                snapshot =
                    JSON.createObjectNode()
                        .put("seq_nr", offer.metadata().sequenceNr())
                        .put("timestamp", offer.metadata().timestamp())
                        .set("value", values.toJson(offer.snapshot())))
        .matchAny(this::remember)
        .build();
  }

  @Override
  public Receive createReceive() {
    return receiveBuilder()
        .match(Persist.class, this::persistAllOf)
        .match(State.class, request -> request.reply().complete(state()))
        .match(
            Delete.class,
            request -> {
              deletes.add(request.reply());
              deleteMessages(request.to());
            })
        .match(DeleteMessagesSuccess.class, done -> answer(deletes, done.toSequenceNr(), null))
        .match(DeleteMessagesFailure.class, done -> answer(deletes, 0, done.cause()))
        .match(
            SaveSnapshot.class,
            request -> {
              saves.add(request.reply());
              saveSnapshot(request.state());
            })
        .match(SaveSnapshotSuccess.class, done -> answer(saves, done.metadata().sequenceNr(), null))
        .match(SaveSnapshotFailure.class, done -> answer(saves, 0, done.cause()))
        .match(
            DeleteSnapshots.class,
            request -> {
              snapshotDeletes.add(request.reply());
              deleteSnapshots(
                  SnapshotSelectionCriteria.create(
                      request.max(), Long.MAX_VALUE, request.min(), 0L));
            })
        .match(
            DeleteSnapshotsSuccess.class,
            done -> answer(snapshotDeletes, done.criteria().maxSequenceNr(), null))
        .match(DeleteSnapshotsFailure.class, done -> answer(snapshotDeletes, 0, done.cause()))
        .build();
  }

  private void persistAllOf(Persist request) {
    pending = new Pending(request.reply(), request.events().size());
    if (request.events().isEmpty()) {
      finish();
      return;
    }
    switch (request.mode()) {
      case ALL -> persistAll(request.events(), this::persisted);
      case EACH -> persistEach(request.events().iterator());
      case ASYNC -> request.events().forEach(event -> persistAsync(event, this::persisted));
    }
  }

  /** One append after the other, as commands that follow each other make them. */
  private void persistEach(Iterator<Object> events) {
    if (events.hasNext()) {
      persist(
          events.next(),
          event -> {
            persisted(event);
            persistEach(events);
          });
    }
  }

  private void persisted(Object event) {
    remember(event);
    pending.left--;
    finish();
  }

  private void finish() {
    if (pending.left == 0) {
      pending.reply.complete(
          JSON.createObjectNode().put("seq_nr", lastSequenceNr()).set("rejected", pending.rejected));
    }
  }

  private void remember(Object event) {
    events.add(
        JSON.createObjectNode().put("seq_nr", lastSequenceNr()).set("value", values.toJson(event)));
  }

  private JsonNode state() {
    ObjectNode state = JSON.createObjectNode().put("seq_nr", lastSequenceNr());
    state.set("snapshot", snapshot);
    state.set("events", events.deepCopy());
    return state;
  }

  private static void answer(
      Queue<CompletableFuture<JsonNode>> waiting, long seqNr, Throwable failure) {
    CompletableFuture<JsonNode> reply = waiting.remove();
    if (failure == null) {
      reply.complete(JSON.createObjectNode().put("seq_nr", seqNr));
    } else {
      reply.completeExceptionally(failure);
    }
  }

  @Override
  public void onPersistRejected(Throwable cause, Object event, long seqNr) {
    pending.rejected.add(
        JSON.createObjectNode().put("seq_nr", seqNr).put("cause", String.valueOf(cause)));
    pending.left--;
    finish();
  }

  @Override
  public void onPersistFailure(Throwable cause, Object event, long seqNr) {
    pending.reply.completeExceptionally(cause);
    super.onPersistFailure(cause, event, seqNr);
  }

  @Override
  public void onRecoveryFailure(Throwable cause, Option<Object> event) {
    recovered.completeExceptionally(cause);
    super.onRecoveryFailure(cause, event);
  }
}
