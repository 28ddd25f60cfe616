//! Reading `application.conf` as services have it.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use annals_core::ErrorKind;
use annals_pekko::config::{
    CassandraSections, Config, DynamoDbSections, KeyState, Section, Span, StoreSections,
};

fn dynamodb(config: &Config) -> DynamoDbSections {
    match config.store().unwrap() {
        StoreSections::DynamoDb(sections) => sections,
        other => panic!("{other:?}"),
    }
}

fn cassandra(config: &Config) -> CassandraSections {
    match config.store().unwrap() {
        StoreSections::Cassandra(sections) => sections,
        other => panic!("{other:?}"),
    }
}

fn notable(section: &Section) -> Vec<String> {
    section.report().iter().filter(|key| key.is_notable()).map(ToString::to_string).collect()
}

/// A directory of files that goes away at the end.
struct Files(PathBuf);

impl Files {
    fn new(name: &str, files: &[(&str, &str)]) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("annals-pekko-{name}-{}-{number}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        for (file, text) in files {
            let path = directory.join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        Self(directory)
    }

    fn load(&self, variables: &[(&str, &str)]) -> Config {
        let variables = variables.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        Config::load_with(self.0.join("application.conf"), variables.collect()).unwrap()
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

const SEEDS_FORM: &str = r#"
    include "common"
    include classpath("more.conf")
    include "missing.conf"
    pekko {
      loglevel = INFO
      actor.provider = cluster
      extensions += "com.example.Extension"
      persistence {
        journal.plugin = "my-dynamodb-journal"
        snapshot-store.plugin = my-dynamodb-snapshot-store
        snapshot-store.auto-migrate-manifest = no-migration
        journal-plugin-fallback.replay-filter.mode = fail
      }
    }
    // What concerns other libraries, whose defaults are not here.
    my-dispatcher = ${pekko.actor.default-dispatcher} { throughput = 5 }
    my-dynamodb-journal = ${dynamodb-journal} {
      journal-table = ${prefix}"-journal"   # from an included file
      endpoint = "http://localhost:8000"
      endpoint = ${?DYNAMODB_ENDPOINT}
      aws-access-key-id = "AKIDEXAMPLE"
      aws-secret-access-key = ${SECRET_KEY}
      aws-client-config { max-connections = 50, use-reaper = on }
      aws-api-limits.max-item-size = 300 kB
      sequence-shard = 3
    }
    my-dynamodb-snapshot-store = ${dynamodb-snapshot-store}
    my-dynamodb-snapshot-store { snapshot-table = states }
"#;

fn seeds_form() -> Files {
    Files::new(
        "seeds",
        &[
            ("application.conf", SEEDS_FORM),
            (
                "common.conf",
                "prefix = common\nprefix = ${?PREFIX}\ndynamodb-journal.sequence-shards = 5",
            ),
            (
                "more.conf",
                "dynamodb-journal { replay-parallelism = 20, include \"deeper/part.conf\" }",
            ),
            ("deeper/part.conf", "tracing = on"),
        ],
    )
}

#[test]
fn a_dynamodb_service_is_read_as_it_is() {
    let files = seeds_form();
    let config = files.load(&[("SECRET_KEY", "s3cret"), ("PREFIX", "prod")]);
    let DynamoDbSections { journal, snapshot_store, read_journal } = dynamodb(&config);
    assert_eq!(journal.path(), "my-dynamodb-journal");
    assert_eq!(journal.get_str("journal-table").unwrap(), Some("prod-journal"));
    assert_eq!(journal.get_str("journal-name").unwrap(), Some("journal"));
    assert_eq!(journal.get_str("endpoint").unwrap(), Some("http://localhost:8000"));
    assert_eq!(journal.get_usize("sequence-shards").unwrap(), Some(5), "from an included file");
    assert_eq!(journal.get_usize("replay-parallelism").unwrap(), Some(20), "from the class path");
    assert_eq!(journal.get_bool("tracing").unwrap(), Some(true), "from a file included there");
    assert_eq!(journal.get_bytes("aws-api-limits.max-item-size").unwrap(), Some(300_000));
    assert_eq!(journal.get_usize("aws-api-limits.max-batch-get").unwrap(), Some(100));
    assert_eq!(journal.get_bool("fixes.high-distrust").unwrap(), Some(false));
    let secret = journal.get_secret("aws-secret-access-key").unwrap().unwrap();
    assert_eq!(secret.expose(), "s3cret");
    assert_eq!(journal.get_str("replay-filter.mode").unwrap(), Some("fail"), "from the fallback");

    let snapshots = snapshot_store.unwrap();
    assert_eq!(snapshots.get_str("snapshot-table").unwrap(), Some("states"));
    assert_eq!(
        snapshots.get_str("endpoint").unwrap(),
        Some(""),
        "of dynamodb-journal, not of the copy"
    );
    assert_eq!(snapshots.get_bool("snapshot-is-optional").unwrap(), Some(false));
    assert_eq!(
        read_journal.get_str("persistence-ids-index-name").unwrap(),
        Some("persistence-ids-idx")
    );
    assert_eq!(read_journal.get_usize("sequence-shards").unwrap(), Some(5));

    let persistence = config.persistence();
    assert_eq!(
        persistence.get_str("snapshot-store.auto-migrate-manifest").unwrap(),
        Some("no-migration")
    );

    let elsewhere = files.load(&[("SECRET_KEY", "x"), ("DYNAMODB_ENDPOINT", "http://db")]);
    assert_eq!(dynamodb(&elsewhere).journal.get_str("endpoint").unwrap(), Some("http://db"));
}

#[test]
fn each_key_that_is_set_is_reported() {
    let config = seeds_form().load(&[("SECRET_KEY", "s3cret")]);
    let journal = dynamodb(&config).journal;
    for key in [
        "journal-table",
        "endpoint",
        "sequence-shards",
        "aws-access-key-id",
        "aws-secret-access-key",
    ] {
        journal.get_str(key).unwrap();
    }
    let limits = journal.section("aws-api-limits").unwrap().unwrap();
    limits.get_bytes("max-item-size").unwrap();
    journal.ignore("aws-client-config", "the HTTP client is another one");
    let reports = notable(&journal);
    assert_eq!(
        reports,
        [
            "my-dynamodb-journal.aws-client-config.max-connections = 50: not honoured: the HTTP client is another one",
            "my-dynamodb-journal.aws-client-config.use-reaper = on: not honoured: the HTTP client is another one",
            "my-dynamodb-journal.replay-filter.mode = fail: not honoured: it has no meaning here",
            "my-dynamodb-journal.replay-parallelism = 20: not honoured: it has no meaning here",
            "my-dynamodb-journal.sequence-shard = 3: unknown",
            "my-dynamodb-journal.tracing = on: not honoured: it has no meaning here",
        ]
    );
    let all = journal.report();
    let of = |key: &str| all.iter().find(|report| report.key.ends_with(key)).unwrap();
    assert_eq!(of(".endpoint").state, KeyState::Honoured);
    assert_eq!(of(".max-item-size").state, KeyState::Honoured);
    assert!(of(".journal-name").is_default && !of(".journal-name").is_notable());
    let KeyState::NotHonoured(reason) = &of(".plugin-dispatcher").state else { panic!() };
    assert!(reason.contains("thread"), "{reason}");
}

#[test]
fn secrets_are_never_printed() {
    let config = seeds_form().load(&[("SECRET_KEY", "s3cret")]);
    let sections = dynamodb(&config);
    let journal = &sections.journal;
    let error = journal.get_usize("aws-secret-access-key").unwrap_err();
    let secret = journal.get_secret("aws-secret-access-key").unwrap();
    let printed =
        format!("{config:?} {sections:?} {:?} {error} {error:?} {secret:?}", journal.report());
    assert!(!printed.contains("s3cret") && !printed.contains("AKIDEXAMPLE"), "{printed}");
    assert!(
        printed.contains("<redacted>") && printed.contains("prod") | printed.contains("common")
    );
}

#[test]
fn errors_of_the_parser_quote_no_secrets() {
    for text in [
        "a { password = s3cret+more }",
        "a { password = s3cret?more }",
        "a { password = \"s3cret }",
        "a { password s3cret }",
        "a { password = [s3cret }",
        "a { password = s3cret {} }",
        "a { password = 1.s3cret\"\" : }",
    ] {
        if let Err(error) = Config::parse(text) {
            let printed = format!("{error} {error:?}");
            assert!(!printed.contains("s3cret"), "{printed}");
        }
    }
    let error = Config::parse("a { password = s3cret+more }").unwrap_err();
    assert!(error.message().contains("reserved character '+'"), "{error}");
}

#[test]
fn a_cassandra_service_is_read_as_it_is() {
    let config = Config::parse(
        r#"
        pekko.persistence {
          journal { plugin = "pekko.persistence.cassandra.journal", auto-start-journals = ["x"] }
          snapshot-store.plugin = "pekko.persistence.cassandra.snapshot"
          cassandra {
            journal { keyspace = shop, keyspace-autocreate = true, tables-autocreate = on
              replication-strategy = NetworkTopologyStrategy
              data-center-replication-factors = ["dc1:3", "dc2:2"] }
            snapshot { keyspace = shop_snapshots, data-center-replication-factors = "dc1:3, dc2:2" }
            events-by-tag { bucket-size = Day, eventual-consistency-delay = 200ms
              time-to-live = 2d, back-track.interval = off, pubsub-notification = on
              compaction-strategy { class = TimeWindowCompactionStrategy, compaction_window_size = 1 } }
          }
        }
        datastax-java-driver {
          basic.contact-points = ["10.0.0.1:9042", "10.0.0.2:9042"]
          basic.load-balancing-policy.local-datacenter = dc1
          advanced { reconnect-on-init = true, protocol.version = V4
            auth-provider { class = PlainTextAuthProvider, username = shop, password = s3cret } }
          profiles.mine.basic.request.consistency = LOCAL_QUORUM
          advanced.netty.io-group.size = 4
        }
        "#,
    )
    .unwrap();
    let CassandraSections { plugin, has_snapshot_store, driver } = cassandra(&config);
    assert!(has_snapshot_store);
    assert_eq!(plugin.path(), "pekko.persistence.cassandra");
    assert_eq!(plugin.get_str("journal.keyspace").unwrap(), Some("shop"));
    assert_eq!(plugin.get_bool("journal.keyspace-autocreate").unwrap(), Some(true));
    assert_eq!(plugin.get_u64("journal.target-partition-size").unwrap(), Some(500_000));
    assert_eq!(
        plugin.get_duration("journal.recovery-event-timeout").unwrap(),
        Some(Duration::from_secs(30))
    );
    let factors = Some(vec!["dc1:3", "dc2:2"]);
    assert_eq!(plugin.get_list("journal.data-center-replication-factors").unwrap(), factors);
    assert_eq!(plugin.get_list("snapshot.data-center-replication-factors").unwrap(), factors);
    let tags = plugin.section("events-by-tag").unwrap().unwrap();
    assert_eq!(tags.path(), "pekko.persistence.cassandra.events-by-tag");
    assert_eq!(
        tags.get_duration("eventual-consistency-delay").unwrap(),
        Some(Duration::from_millis(200))
    );
    assert_eq!(tags.get_span("back-track.interval").unwrap(), Some(Span::Off));
    assert_eq!(tags.get_span("back-track.period").unwrap(), Some(Span::Of(Duration::from_secs(5))));
    assert_eq!(tags.get_span("back-track.long-period").unwrap(), Some(Span::Max));
    assert_eq!(tags.get_span("pubsub-notification").unwrap(), Some(Span::On));
    assert_eq!(tags.get_f64("retries.random-factor").unwrap(), Some(0.1));
    assert_eq!(tags.get_i64("retries.attempts").unwrap(), Some(100));
    let compaction = tags.section("compaction-strategy").unwrap().unwrap();
    assert_eq!(compaction.keys(), ["class", "compaction_window_size"]);
    let points = driver.get_list("basic.contact-points").unwrap();
    assert_eq!(points, Some(vec!["10.0.0.1:9042", "10.0.0.2:9042"]));
    let profile = |name: &str| {
        let key = format!("profiles.{name}.basic.request.consistency");
        driver.get_str(&key).unwrap().map(str::to_owned)
    };
    assert_eq!(profile("pekko-persistence-cassandra-profile").as_deref(), Some("QUORUM"));
    assert_eq!(profile("pekko-persistence-cassandra-snapshot-profile").as_deref(), Some("ONE"));
    assert_eq!(profile("mine").as_deref(), Some("LOCAL_QUORUM"));
    assert!(!format!("{driver:?}").contains("s3cret"));
    let netty = driver.report().into_iter().find(|key| key.key.contains("netty")).unwrap();
    assert!(
        netty.is_notable() && netty.to_string().contains("the driver here has no such setting")
    );
}

#[test]
fn copies_under_other_names_and_other_drivers() {
    let config = Config::parse(
        r#"
        second = ${pekko.persistence.cassandra} {
          journal.keyspace = second, datastax-java-driver-config = second-driver }
        second-driver.basic.contact-points = ["c2:9042"]
        third = ${second} { snapshot.keyspace = third_snapshots }
        other = ${pekko.persistence.cassandra}
        pekko.persistence { journal.plugin = second.journal, snapshot-store.plugin = third.snapshot }
        "#,
    )
    .unwrap();
    let sections = cassandra(&config);
    assert_eq!(sections.plugin.get_str("journal.keyspace").unwrap(), Some("second"));
    assert_eq!(sections.plugin.get_str("snapshot.keyspace").unwrap(), Some("third_snapshots"));
    assert_eq!(sections.driver.path(), "second-driver");
    assert_eq!(sections.driver.get_list("basic.contact-points").unwrap(), Some(vec!["c2:9042"]));
    assert_eq!(sections.driver.get_usize("basic.request.page-size").unwrap(), Some(5000));
    let error = config.store_of("second.journal", Some("other.snapshot")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    let StoreSections::Cassandra(other) = config.store_of("other.journal", None).unwrap() else {
        panic!()
    };
    assert!(!other.has_snapshot_store);
    assert_eq!(other.plugin.get_str("journal.keyspace").unwrap(), Some("pekko"));
}

#[test]
fn akkas_names_have_akkas_defaults() {
    let config = Config::parse(
        r#"
        akka.persistence.journal.plugin = "akka.persistence.cassandra.journal"
        akka.persistence.snapshot-store.plugin = "akka.persistence.cassandra.snapshot"
        akka.persistence.cassandra.journal.table = events
        "#,
    )
    .unwrap();
    let sections = cassandra(&config);
    assert_eq!(sections.plugin.get_str("journal.keyspace").unwrap(), Some("akka"));
    assert_eq!(sections.plugin.get_str("snapshot.keyspace").unwrap(), Some("akka_snapshot"));
    assert_eq!(sections.plugin.get_str("journal.table").unwrap(), Some("events"));
    let profile = sections.plugin.get_str("read-profile").unwrap().unwrap().to_owned();
    assert_eq!(profile, "akka-persistence-cassandra-profile");
    let key = format!("profiles.{profile}.basic.request.consistency");
    assert_eq!(sections.driver.get_str(&key).unwrap(), Some("QUORUM"));
    assert_eq!(config.persistence().path(), "akka.persistence");
}

#[test]
fn what_names_no_store_says_why() {
    let error = |text: &str| Config::parse(text).unwrap().store().unwrap_err();
    let plugin = |id: &str| format!("pekko.persistence.journal.plugin = {id}\n");
    for (text, kind, part) in [
        (String::new(), ErrorKind::Invalid, "pekko.persistence.journal.plugin is not set"),
        (plugin("\"\""), ErrorKind::Invalid, "is not set"),
        (plugin("nowhere"), ErrorKind::Invalid, "no section nowhere"),
        (
            plugin("x") + "x.class = com.example.Journal",
            ErrorKind::Unsupported,
            "com.example.Journal",
        ),
        (plugin("x") + "x = ${other.library} { a = 1 }", ErrorKind::Invalid, "nothing resolves"),
        (
            plugin("dynamodb-journal")
                + "pekko.persistence.snapshot-store.plugin = pekko.persistence.cassandra.snapshot",
            ErrorKind::Unsupported,
            "one store holds both",
        ),
    ] {
        let error = error(&text);
        assert_eq!(error.kind(), kind, "{text}");
        assert!(error.message().contains(part), "{error}");
    }
}

#[test]
fn values_of_the_wrong_type_are_named() {
    let config = Config::parse(
        "s { a = many, b = -1, c = { d = 1 }, e = [1, [2]], f = 3 parsecs, g = ${NOT_SET}, h = null, i = ${?NOT_SET} }",
    )
    .unwrap();
    let section = config.section("s").unwrap();
    let message =
        |result: annals_core::Result<Option<u64>>| result.unwrap_err().message().to_owned();
    assert_eq!(
        message(section.get_u64("a")),
        "the setting s.a is \"many\" instead of a whole number that is not negative"
    );
    assert!(message(section.get_u64("b")).contains("s.b is \"-1\""));
    assert!(message(section.get_bytes("c")).contains("s.c is a section"));
    assert!(section.get_list("e").unwrap_err().message().contains("s.e is a list"));
    assert!(section.get_duration("f").unwrap_err().message().contains("\"3 parsecs\""));
    assert!(section.get_str("g").unwrap_err().message().contains("nothing resolves"));
    assert!(section.section("a").is_err());
    assert_eq!((section.get_str("h").unwrap(), section.get_str("i").unwrap()), (None, None));
    assert_eq!(section.get_str("nothing.here").unwrap(), None);
    assert_eq!(section.get_u64("c.d").unwrap(), Some(1));
    assert_eq!(section.names(), ["a", "b", "c", "e", "f", "g", "h"]);
    assert!(config.section("s.a").is_none() && config.section("t").is_none());
}

#[test]
fn what_is_no_hocon_is_refused() {
    for text in
        ["a = ", "a { b = 1", "a = ${b", "= 1", "a = \"x", "a = ${b}\nb = ${a}", "include 5"]
    {
        let error = Config::parse(text).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{text}");
    }
    let missing = Config::load("/nonexistent/application.conf").unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::Invalid);
    assert!(missing.message().contains("/nonexistent/application.conf"), "{missing}");
}

#[test]
fn no_depth_overflows_the_stack() {
    let deep_path = vec!["a"; 20_000].join(".");
    let chain: Vec<String> = (0..4_000).map(|i| format!("a{i} = ${{a{}}}", i + 1)).collect();
    for text in [
        "a{".repeat(100_000),
        format!("a = {}", "[".repeat(100_000)),
        format!("{deep_path} = 1"),
        format!("a = ${{{deep_path}}}"),
        format!("a = ${{?{deep_path}}}"),
        "a = ".to_owned() + &"${x}".repeat(10_000),
        chain.join("\n") + "\na4000 = 1",
        "(".repeat(100_000),
        "\"".repeat(100_001),
        "a=".repeat(50_000),
        "include ".repeat(50_000),
    ] {
        // Either is fine; what counts is that there is an answer.
        if let Ok(config) = Config::parse(&text) {
            assert!(config.store().is_err());
        }
    }
}

#[test]
fn variables_come_from_where_they_are_given() {
    let files =
        Files::new("variables", &[("application.conf", "s { a = ${?A}, path = ${?PATH} }")]);
    let given = files.load(&[("A", "1")]).section("s").unwrap();
    assert_eq!((given.get_str("a").unwrap(), given.get_str("path").unwrap()), (Some("1"), None));
    let own = Config::load(files.0.join("application.conf")).unwrap().section("s").unwrap();
    assert_eq!(own.get_str("path").unwrap().map(str::to_owned), std::env::var("PATH").ok());
    let none = Config::parse("s { path = ${?PATH} }").unwrap().section("s").unwrap();
    assert_eq!(none.get_str("path").unwrap(), None);
}
