package annals.interop;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.pekko.actor.ActorRef;
import org.apache.pekko.actor.ActorSystem;
import org.apache.pekko.actor.Props;
import org.apache.pekko.persistence.AbstractPersistentActor;
import org.apache.pekko.persistence.RecoveryCompleted;
import org.apache.pekko.persistence.journal.Tagged;
import scala.Option;
import scala.jdk.javaapi.CollectionConverters;

/** Measures the plugin at its work. Entities here keep nothing, so that only the plugin is measured. */
final class Bench {
  private static final ObjectMapper JSON = new ObjectMapper();

  private final ActorSystem system;

  Bench(ActorSystem system) {
    this.system = system;
  }

  /**
   * Appends {@code events} strings of {@code bytes} characters, evenly over {@code entities}: each of them
   * has one append in flight, of {@code batch} events, and begins the next when it is stored.
   */
  CompletionStage<JsonNode> append(JsonNode request) {
    int entities = request.path("entities").asInt(1);
    int batch = request.path("batch").asInt(1);
    int appends = request.path("events").asInt() / (entities * batch);
    Object event = "e".repeat(request.path("bytes").asInt(100));
    if (request.has("tags")) {
      List<String> tags = new ArrayList<>();
      request.path("tags").forEach(tag -> tags.add(tag.asText()));
      event = new Tagged(event, CollectionConverters.asScala(tags).toSet());
    }
    List<ActorRef> actors = new ArrayList<>();
    List<CompletableFuture<Void>> recovered = new ArrayList<>();
    for (int i = 0; i < entities; i++) {
      var ready = new CompletableFuture<Void>();
      String id = request.path("prefix").asText() + i;
      actors.add(system.actorOf(Props.create(Writer.class, () -> new Writer(id, ready))));
      recovered.add(ready);
    }
    Object one = event;
    return all(recovered)
        .thenCompose(
            ready -> {
              long[] latencies = new long[entities * appends];
              var next = new AtomicInteger();
              long cpu = Usage.cpuNanos();
              long start = System.nanoTime();
              List<CompletableFuture<Void>> done = new ArrayList<>();
              for (ActorRef actor : actors) {
                var end = new CompletableFuture<Void>();
                actor.tell(new Run(one, batch, appends, latencies, next, end), ActorRef.noSender());
                done.add(end);
              }
              return all(done)
                  .thenApply(
                      ended -> {
                        long nanos = System.nanoTime() - start;
                        ObjectNode figures = figures(latencies.length * batch, nanos, cpu);
                        Arrays.sort(latencies);
                        figures.put("p50_nanos", percentile(latencies, 0.50));
                        figures.put("p99_nanos", percentile(latencies, 0.99));
                        return (JsonNode) figures;
                      });
            })
        .whenComplete((figures, error) -> actors.forEach(system::stop));
  }

  /** Recovers one entity, {@code times} times over, and gives the figures of each time. */
  CompletionStage<JsonNode> recover(JsonNode request) {
    String id = request.path("id").asText();
    CompletionStage<com.fasterxml.jackson.databind.node.ArrayNode> all =
        CompletableFuture.completedFuture(JSON.createArrayNode());
    for (int i = 0; i < request.path("times").asInt(1); i++) {
      all =
          all.thenCompose(
              figures -> {
                long cpu = Usage.cpuNanos();
                long start = System.nanoTime();
                var ready = new CompletableFuture<Void>();
                var count = new AtomicInteger();
                ActorRef actor =
                    system.actorOf(
                        Props.create(Writer.class, () -> new Writer(id, ready, count)));
                return ready
                    .whenComplete((done, error) -> system.stop(actor))
                    .thenApply(
                        done -> figures.add(figures(count.get(), System.nanoTime() - start, cpu)));
              });
    }
    return all.thenApply(figures -> figures);
  }

  private static ObjectNode figures(int events, long nanos, long cpuBefore) {
    return JSON.createObjectNode()
        .put("events", events)
        .put("nanos", nanos)
        .put("cpu_nanos", Usage.cpuNanos() - cpuBefore);
  }

  /** The smallest latency that this part of the sorted ones does not exceed. */
  private static long percentile(long[] sorted, double part) {
    if (sorted.length == 0) {
      return 0;
    }
    int rank = (int) Math.ceil(part * sorted.length);
    return sorted[Math.max(rank, 1) - 1];
  }

  private static CompletableFuture<Void> all(List<CompletableFuture<Void>> futures) {
    return CompletableFuture.allOf(futures.toArray(new CompletableFuture<?>[0]));
  }

  private record Run(
      Object event,
      int batch,
      int appends,
      long[] latencies,
      AtomicInteger next,
      CompletableFuture<Void> end) {}

  private static final class Writer extends AbstractPersistentActor {
    private final String id;
    private final CompletableFuture<Void> ready;
    private final AtomicInteger recovered;
    private Run run;
    private List<Object> batch;
    private int appends;
    private int stored;
    private long began;

    Writer(String id, CompletableFuture<Void> ready) {
      this(id, ready, new AtomicInteger());
    }

    Writer(String id, CompletableFuture<Void> ready, AtomicInteger recovered) {
      this.id = id;
      this.ready = ready;
      this.recovered = recovered;
    }

    @Override
    public String persistenceId() {
      return id;
    }

    @Override
    public Receive createReceiveRecover() {
      return receiveBuilder()
          .match(RecoveryCompleted.class, completed -> ready.complete(null))
          .matchAny(event -> recovered.incrementAndGet())
          .build();
    }

    @Override
    public Receive createReceive() {
      return receiveBuilder()
          .match(
              Run.class,
              run -> {
                this.run = run;
                this.batch = java.util.Collections.nCopies(run.batch(), run.event());
                append();
              })
          .build();
    }

    private void append() {
      if (appends == run.appends()) {
        run.end().complete(null);
        return;
      }
      appends++;
      stored = 0;
      began = System.nanoTime();
      if (run.batch() == 1) {
        persist(run.event(), this::stored);
      } else {
        persistAll(batch, this::stored);
      }
    }

    private void stored(Object event) {
      stored++;
      if (stored == run.batch()) {
        run.latencies()[run.next().getAndIncrement()] = System.nanoTime() - began;
        append();
      }
    }

    @Override
    public void onPersistFailure(Throwable cause, Object event, long seqNr) {
      run.end().completeExceptionally(cause);
      super.onPersistFailure(cause, event, seqNr);
    }

    @Override
    public void onPersistRejected(Throwable cause, Object event, long seqNr) {
      run.end().completeExceptionally(cause);
    }

    @Override
    public void onRecoveryFailure(Throwable cause, Option<Object> event) {
      ready.completeExceptionally(cause);
      super.onRecoveryFailure(cause, event);
    }
  }
}
