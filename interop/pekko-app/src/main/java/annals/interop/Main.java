package annals.interop;

import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.CompletionStage;

/**
 * Answers requests on stdin, one JSON object a line, with lines on stdout; README.md lists them. Requests
 * are answered as they are done, not in the order they came. The end of stdin ends the application, so
 * that it never outlives the process that started it.
 */
public final class Main {
  /** Numbers with a point keep all their digits. */
  private static final ObjectMapper JSON =
      new ObjectMapper().enable(DeserializationFeature.USE_BIG_DECIMAL_FOR_FLOATS);

  private static PrintStream answers;

  public static void main(String[] arguments) throws Exception {
    answers = new PrintStream(new FileOutputStream(FileDescriptor.out), false, StandardCharsets.UTF_8);
    // Whatever a library prints must not look like an answer.
    System.setOut(System.err);
    Systems systems = new Systems();
    var lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    for (String line = lines.readLine(); line != null; line = lines.readLine()) {
      JsonNode request = JSON.readTree(line);
      long number = request.path("request").asLong();
      CompletionStage<? extends JsonNode> answer;
      try {
        answer = systems.answer(request);
      } catch (Exception error) {
        answerError(number, error);
        continue;
      }
      answer.whenComplete(
          (value, error) -> {
            if (error == null) {
              answer(JSON.createObjectNode().put("request", number).set("ok", value));
            } else {
              answerError(number, error);
            }
          });
    }
    Runtime.getRuntime().halt(0);
  }

  private static void answerError(long number, Throwable error) {
    Throwable cause = error;
    while (cause instanceof java.util.concurrent.CompletionException && cause.getCause() != null) {
      cause = cause.getCause();
    }
    ObjectNode node = JSON.createObjectNode().put("request", number);
    answer(node.put("error", cause.toString()));
  }

  private static synchronized void answer(JsonNode node) {
    answers.println(node);
    answers.flush();
  }
}
