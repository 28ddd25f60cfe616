package annals.interop;

import com.amazonaws.auth.AWSStaticCredentialsProvider;
import com.amazonaws.auth.BasicAWSCredentials;
import com.amazonaws.client.builder.AwsClientBuilder.EndpointConfiguration;
import com.amazonaws.services.dynamodbv2.AmazonDynamoDB;
import com.amazonaws.services.dynamodbv2.AmazonDynamoDBClientBuilder;
import com.amazonaws.services.dynamodbv2.model.AttributeDefinition;
import com.amazonaws.services.dynamodbv2.model.AttributeValue;
import com.amazonaws.services.dynamodbv2.model.BillingMode;
import com.amazonaws.services.dynamodbv2.model.CreateTableRequest;
import com.amazonaws.services.dynamodbv2.model.GlobalSecondaryIndex;
import com.amazonaws.services.dynamodbv2.model.KeySchemaElement;
import com.amazonaws.services.dynamodbv2.model.KeyType;
import com.amazonaws.services.dynamodbv2.model.LocalSecondaryIndex;
import com.amazonaws.services.dynamodbv2.model.Projection;
import com.amazonaws.services.dynamodbv2.model.ProjectionType;
import com.amazonaws.services.dynamodbv2.model.ScanRequest;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.ByteBuffer;
import java.util.Base64;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;

/** The plugin's tables in DynamoDB, which it never makes itself, and their items as they are. */
final class Tables {
  private static final ObjectMapper JSON = new ObjectMapper();

  /** Tables as the scripts of pekko-persistence-dynamodb make them, the index for ids included. */
  static CompletionStage<JsonNode> create(JsonNode request) {
    return with(
        request,
        client -> {
          String journal = request.path("journal").asText();
          client.createTable(
              new CreateTableRequest()
                  .withTableName(journal)
                  .withBillingMode(BillingMode.PAY_PER_REQUEST)
                  .withKeySchema(key("par", KeyType.HASH), key("num", KeyType.RANGE))
                  .withAttributeDefinitions(
                      new AttributeDefinition("par", "S"), new AttributeDefinition("num", "N"))
                  .withGlobalSecondaryIndexes(
                      new GlobalSecondaryIndex()
                          .withIndexName("persistence-ids-idx")
                          .withKeySchema(key("num", KeyType.HASH))
                          .withProjection(
                              new Projection().withProjectionType(ProjectionType.KEYS_ONLY))));
          client.createTable(
              new CreateTableRequest()
                  .withTableName(request.path("snapshot").asText())
                  .withBillingMode(BillingMode.PAY_PER_REQUEST)
                  .withKeySchema(key("par", KeyType.HASH), key("seq", KeyType.RANGE))
                  .withAttributeDefinitions(
                      new AttributeDefinition("par", "S"),
                      new AttributeDefinition("seq", "N"),
                      new AttributeDefinition("ts", "N"))
                  .withLocalSecondaryIndexes(
                      new LocalSecondaryIndex()
                          .withIndexName("ts-idx")
                          .withKeySchema(key("par", KeyType.HASH), key("ts", KeyType.RANGE))
                          .withProjection(
                              new Projection().withProjectionType(ProjectionType.ALL))));
          return JSON.createObjectNode();
        });
  }

  /** Every item of a table whose {@code par} contains {@code part}, in DynamoDB's own JSON. */
  static CompletionStage<JsonNode> items(JsonNode request) {
    return with(
        request,
        client -> {
          ArrayNode items = JSON.createArrayNode();
          var scan =
              new ScanRequest()
                  .withTableName(request.path("table").asText())
                  .withConsistentRead(true);
          if (request.has("part")) {
            String part = request.path("part").asText();
            scan.withFilterExpression("contains(par, :part)")
                .withExpressionAttributeValues(Map.of(":part", new AttributeValue(part)));
          }
          do {
            var page = client.scan(scan);
            page.getItems().forEach(item -> items.add(toJson(item)));
            scan.setExclusiveStartKey(page.getLastEvaluatedKey());
          } while (scan.getExclusiveStartKey() != null);
          return items;
        });
  }

  /** Stores an item without any condition. */
  static CompletionStage<JsonNode> put(JsonNode request) {
    return with(
        request,
        client -> {
          Map<String, AttributeValue> item = new HashMap<>();
          for (var field : request.path("item").properties()) {
            var type = field.getValue().fields().next();
            String text = type.getValue().asText();
            AttributeValue value =
                switch (type.getKey()) {
                  case "S" -> new AttributeValue(text);
                  case "N" -> new AttributeValue().withN(text);
                  case "B" ->
                      new AttributeValue().withB(ByteBuffer.wrap(Base64.getDecoder().decode(text)));
                  default -> throw new IllegalArgumentException("type " + type.getKey());
                };
            item.put(field.getKey(), value);
          }
          client.putItem(request.path("table").asText(), item);
          return JSON.createObjectNode();
        });
  }

  private static JsonNode toJson(Map<String, AttributeValue> item) {
    ObjectNode node = JSON.createObjectNode();
    item.forEach(
        (name, value) -> {
          ObjectNode typed = node.putObject(name);
          if (value.getS() != null) {
            typed.put("S", value.getS());
          } else if (value.getN() != null) {
            typed.put("N", value.getN());
          } else if (value.getB() != null) {
            typed.put("B", Base64.getEncoder().encodeToString(value.getB().array()));
          } else {
            typed.put("other", value.toString());
          }
        });
    return node;
  }

  private interface Work {
    JsonNode with(AmazonDynamoDB client);
  }

  private static CompletionStage<JsonNode> with(JsonNode request, Work work) {
    return CompletableFuture.supplyAsync(
        () -> {
          var credentials = new BasicAWSCredentials("annals", "annals");
          AmazonDynamoDB client =
              AmazonDynamoDBClientBuilder.standard()
                  .withCredentials(new AWSStaticCredentialsProvider(credentials))
                  .withEndpointConfiguration(
                      new EndpointConfiguration(request.path("endpoint").asText(), "us-east-1"))
                  .build();
          try {
            return work.with(client);
          } finally {
            client.shutdown();
          }
        });
  }

  private static KeySchemaElement key(String name, KeyType type) {
    return new KeySchemaElement(name, type);
  }
}
