package annals.interop;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.typesafe.config.ConfigFactory;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.pekko.actor.ActorSystem;

/** The actor systems, by name; each has a configuration of its own over application.conf. */
final class Systems {
  private static final ObjectMapper JSON = new ObjectMapper();

  private final Map<String, Node> nodes = new ConcurrentHashMap<>();

  CompletionStage<? extends JsonNode> answer(JsonNode request) throws Exception {
    String name = request.path("system").asText();
    return switch (request.path("do").asText()) {
      case "open" -> open(name, request.path("config").asText());
      case "close" -> close(name);
      case "dynamodb_create" -> Tables.create(request);
      case "dynamodb_items" -> Tables.items(request);
      case "dynamodb_put" -> Tables.put(request);
      case "usage" -> CompletableFuture.completedFuture(Usage.now());
      default -> {
        Node node = nodes.get(name);
        if (node == null) {
          throw new IllegalArgumentException("no system is called '" + name + "'");
        }
        yield node.answer(request);
      }
    };
  }

  private CompletionStage<JsonNode> open(String name, String settings) {
    // Resolved in one go, so that a setting also reaches what refers to it.
    var config =
        ConfigFactory.load(
            ConfigFactory.parseString(settings)
                .withFallback(ConfigFactory.parseResources("application.conf")));
    Node node = new Node(ActorSystem.create(name, config));
    if (nodes.putIfAbsent(name, node) != null) {
      node.system.terminate();
      throw new IllegalArgumentException("a system is called '" + name + "' already");
    }
    return CompletableFuture.completedFuture(JSON.createObjectNode());
  }

  private CompletionStage<JsonNode> close(String name) {
    Node node = nodes.remove(name);
    if (node == null) {
      throw new IllegalArgumentException("no system is called '" + name + "'");
    }
    node.system.terminate();
    return node.system.getWhenTerminated().thenApply(done -> JSON.createObjectNode());
  }
}
