package annals.interop;

import com.fasterxml.jackson.annotation.JsonCreator;
import com.fasterxml.jackson.annotation.JsonProperty;
import java.math.BigDecimal;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;

/** An event with fields of the types that Jackson has conventions for; its subclasses choose the form. */
abstract class Order {
  public final String name;
  public final long amount;
  public final double weight;
  public final boolean paid;
  public final BigDecimal price;
  public final Instant at;
  public final UUID uuid;
  public final byte[] data;
  public final List<String> labels;
  public final Map<String, Integer> counts;
  public final Optional<String> remark;

  Order(
      String name,
      long amount,
      double weight,
      boolean paid,
      BigDecimal price,
      Instant at,
      UUID uuid,
      byte[] data,
      List<String> labels,
      Map<String, Integer> counts,
      Optional<String> remark) {
    this.name = name;
    this.amount = amount;
    this.weight = weight;
    this.paid = paid;
    this.price = price;
    this.at = at;
    this.uuid = uuid;
    this.data = data;
    this.labels = labels;
    this.counts = counts;
    this.remark = remark;
  }

  /** Bound to Jackson's JSON, serializer 31. */
  static final class Json extends Order {
    @JsonCreator
    Json(
        @JsonProperty("name") String name,
        @JsonProperty("amount") long amount,
        @JsonProperty("weight") double weight,
        @JsonProperty("paid") boolean paid,
        @JsonProperty("price") BigDecimal price,
        @JsonProperty("at") Instant at,
        @JsonProperty("uuid") UUID uuid,
        @JsonProperty("data") byte[] data,
        @JsonProperty("labels") List<String> labels,
        @JsonProperty("counts") Map<String, Integer> counts,
        @JsonProperty("remark") Optional<String> remark) {
      super(name, amount, weight, paid, price, at, uuid, data, labels, counts, remark);
    }
  }

  /** Bound to Jackson's CBOR, serializer 33. */
  static final class Cbor extends Order {
    @JsonCreator
    Cbor(
        @JsonProperty("name") String name,
        @JsonProperty("amount") long amount,
        @JsonProperty("weight") double weight,
        @JsonProperty("paid") boolean paid,
        @JsonProperty("price") BigDecimal price,
        @JsonProperty("at") Instant at,
        @JsonProperty("uuid") UUID uuid,
        @JsonProperty("data") byte[] data,
        @JsonProperty("labels") List<String> labels,
        @JsonProperty("counts") Map<String, Integer> counts,
        @JsonProperty("remark") Optional<String> remark) {
      super(name, amount, weight, paid, price, at, uuid, data, labels, counts, remark);
    }
  }
}
