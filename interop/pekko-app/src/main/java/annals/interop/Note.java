package annals.interop;

import com.fasterxml.jackson.annotation.JsonCreator;
import com.fasterxml.jackson.annotation.JsonProperty;

/** An event that {@link NoteAdapter} stores as something else. */
record Note(String text) {

  /** What is stored of a note, as Jackson's JSON. */
  static final class Stored {
    public final String body;

    @JsonCreator
    Stored(@JsonProperty("body") String body) {
      this.body = body;
    }
  }
}
