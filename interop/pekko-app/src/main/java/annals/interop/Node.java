package annals.interop;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import org.apache.pekko.actor.ActorRef;
import org.apache.pekko.actor.ActorSystem;
import org.apache.pekko.pattern.Patterns;

/** One actor system with its entities, which start when a request names them. */
final class Node {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final Duration STOP_TIMEOUT = Duration.ofSeconds(20);

  final ActorSystem system;
  private final Values values;
  private final Queries queries;
  private final Bench bench;
  private final Map<String, Running> entities = new HashMap<>();

  /** An entity's actor, and what is known of its recovery. */
  private record Running(ActorRef actor, CompletableFuture<JsonNode> recovered) {}

  Node(ActorSystem system) {
    this.system = system;
    this.values = new Values(system);
    this.queries = new Queries(system, values);
    this.bench = new Bench(system);
  }

  CompletionStage<? extends JsonNode> answer(JsonNode request) throws Exception {
    String id = request.path("id").asText();
    return switch (request.path("do").asText()) {
      case "start" -> start(id, request).recovered();
      case "stop" -> stop(id);
      case "persist" -> persist(id, request);
      case "state" -> tell(id, request, reply -> new Entity.State(reply));
      case "delete" -> {
        long to = request.path("to").asLong();
        yield tell(id, request, reply -> new Entity.Delete(to, reply));
      }
      case "save_snapshot" -> {
        Object state = values.fromJson(request.path("value"));
        yield tell(id, request, reply -> new Entity.SaveSnapshot(state, reply));
      }
      case "delete_snapshots" -> {
        long min = request.path("min").asLong(0);
        long max = request.path("max").asLong(Long.MAX_VALUE);
        yield tell(id, request, reply -> new Entity.DeleteSnapshots(min, max, reply));
      }
      case "ids" -> queries.ids();
      case "events" -> queries.events(id, request);
      case "tagged" -> queries.tagged(request);
      case "cql" -> queries.cql(request);
      case "bench_append" -> bench.append(request);
      case "bench_recover" -> bench.recover(request);
      default -> throw new IllegalArgumentException("unknown request: " + request.path("do"));
    };
  }

  private CompletionStage<JsonNode> persist(String id, JsonNode request) throws Exception {
    List<Object> events = new ArrayList<>();
    for (JsonNode event : request.path("events")) {
      events.add(values.fromJson(event));
    }
    var mode = Entity.Mode.valueOf(request.path("mode").asText("each").toUpperCase());
    return tell(id, request, reply -> new Entity.Persist(events, mode, reply));
  }

  private interface Message {
    Object with(CompletableFuture<JsonNode> reply);
  }

  private CompletionStage<JsonNode> tell(String id, JsonNode request, Message message) {
    Running running = start(id, request);
    return running
        .recovered()
        .thenCompose(
            recovered -> {
              var reply = new CompletableFuture<JsonNode>();
              running.actor().tell(message.with(reply), ActorRef.noSender());
              return reply;
            });
  }

  private synchronized Running start(String id, JsonNode request) {
    Running running = entities.get(id);
    if (running != null) {
      return running;
    }
    var recovered = new CompletableFuture<JsonNode>();
    var actor = system.actorOf(Entity.props(id, request.path("recovery"), values, recovered));
    running = new Running(actor, recovered);
    entities.put(id, running);
    // An entity that does not recover has stopped; the next request starts it anew.
    recovered.whenComplete(
        (value, error) -> {
          if (error != null) {
            forget(id, actor);
          }
        });
    return running;
  }

  private synchronized Running forget(String id, ActorRef actor) {
    Running running = entities.get(id);
    if (running == null || (actor != null && !running.actor().equals(actor))) {
      return null;
    }
    return entities.remove(id);
  }

  private CompletionStage<JsonNode> stop(String id) {
    Running running = forget(id, null);
    JsonNode done = JSON.createObjectNode();
    if (running == null) {
      return CompletableFuture.completedFuture(done);
    }
    return Patterns.gracefulStop(running.actor(), STOP_TIMEOUT).thenApply(stopped -> done);
  }
}
