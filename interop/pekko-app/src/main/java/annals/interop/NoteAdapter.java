package annals.interop;

import org.apache.pekko.persistence.journal.EventAdapter;
import org.apache.pekko.persistence.journal.EventSeq;

/** Stores a {@link Note} as {@link Note.Stored}, and insists on its manifest when it reads. */
public final class NoteAdapter implements EventAdapter {
  static final String MANIFEST = "note-v2";

  @Override
  public String manifest(Object event) {
    return event instanceof Note ? MANIFEST : "";
  }

  @Override
  public Object toJournal(Object event) {
    return event instanceof Note note ? new Note.Stored(note.text()) : event;
  }

  @Override
  public EventSeq fromJournal(Object event, String manifest) {
    if (!(event instanceof Note.Stored stored)) {
      return EventSeq.single(event);
    }
    if (!manifest.equals(MANIFEST)) {
      throw new IllegalArgumentException("a note with the manifest '" + manifest + "'");
    }
    return EventSeq.single(new Note(stored.body));
  }
}
