//! Which crate of ours may depend on which (ARCHITECTURE.md, "Invariants"), and what each manifest
//! must say.

use crate::workspace::Package;

const FACADE: &str = "annals";
const EXAMPLES: &str = "annals-examples-sqlite";
const CORE: &str = "annals-core";
const PEKKO: &str = "annals-pekko";
const CONFORMANCE: &str = "annals-conformance";
/// Real servers for tests; published crates never need it.
const SERVERS: &str = "annals-servers";
/// Written from the description of the protocol, and kept apart from the code.
const MODEL: &str = "annals-cassandra-model";
/// The stores without a server, which the tests of other crates may use too.
const LOCAL_STORES: [&str; 2] = ["annals-memory", "annals-embedded"];
const SERVER_STORES: [&str; 2] = ["annals-dynamodb", "annals-cassandra"];

/// What a package may depend on, of ours.
enum May {
    /// Everything.
    All,
    /// Everything, but the servers only in its tests.
    AllPublished,
    /// These; its tests also those of the second list.
    Only(Vec<&'static str>, Vec<&'static str>),
}

/// The rule of each package; a package without one is a problem, so that nobody forgets it.
fn rule(package: &str) -> Option<May> {
    let stores = LOCAL_STORES.to_vec();
    Some(match package {
        "annals-bench" | "annals-interop" | "xtask" => May::All,
        FACADE | "annals-cli" => May::AllPublished,
        // Examples see what users see.
        EXAMPLES => May::Only(vec![FACADE], vec![]),
        CORE | SERVERS | MODEL => May::Only(vec![], vec![]),
        PEKKO => May::Only(vec![CORE], vec![]),
        CONFORMANCE => May::Only(vec![CORE], stores),
        "annals-entity" | "annals-query" => {
            May::Only(vec![CORE, PEKKO], [stores, vec![CONFORMANCE]].concat())
        }
        store if LOCAL_STORES.contains(&store) => May::Only(vec![CORE, PEKKO], vec![CONFORMANCE]),
        store if SERVER_STORES.contains(&store) => {
            May::Only(vec![CORE, PEKKO], vec![CONFORMANCE, SERVERS])
        }
        _ => return None,
    })
}

/// Crates that bring in a clock, random numbers or a runtime, which `core` only names as components.
const NOT_IN_CORE: [&str; 6] = ["getrandom", "rand", "rustix", "tokio", "tracing", "uuid"];

/// Every edge that is not allowed, and every manifest that says too little.
pub(crate) fn problems(packages: &[Package]) -> Vec<String> {
    let is_ours = |name: &str| packages.iter().any(|package| package.name == name);
    let mut problems = Vec::new();
    for package in packages {
        let name = &package.name;
        for (field, value) in [("description", &package.description), ("license", &package.license)]
        {
            if value.as_deref().unwrap_or_default().trim().is_empty() {
                problems.push(format!("package {name}: its manifest has no {field}"));
            }
        }
        let Some(rule) = rule(name) else {
            problems.push(format!(
                "package {name}: no rule in xtask/src/edges.rs says what it may use"
            ));
            continue;
        };
        for dependency in &package.dependencies {
            let used = dependency.name.as_str();
            let dev = dependency.is_dev();
            if name == CORE && !dev && NOT_IN_CORE.contains(&used) {
                problems.push(format!("package {name}: may not use {used}: no I/O and no runtime"));
            }
            if !is_ours(used) || rule.allows(used, dev) {
                continue;
            }
            let kind = if dev { " in its tests" } else { "" };
            problems.push(format!("package {name}: may not depend on {used}{kind}"));
        }
    }
    problems
}

impl May {
    fn allows(&self, used: &str, dev: bool) -> bool {
        match self {
            Self::All => true,
            Self::AllPublished => dev || used != SERVERS,
            Self::Only(always, in_tests) => {
                always.contains(&used) || (dev && in_tests.contains(&used))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ours(changed: Package) -> Vec<Package> {
        let names = ["annals", "annals-cli", CORE, PEKKO, CONFORMANCE, "annals-entity", SERVERS];
        let names = names.into_iter().chain(LOCAL_STORES).chain(SERVER_STORES);
        let names = names.filter(|name| *name != changed.name);
        let mut packages: Vec<Package> = names.map(|name| Package::sample(name, &[])).collect();
        packages.push(changed);
        packages
    }

    fn problems_of(name: &str, dependencies: &[(&str, bool)]) -> Vec<String> {
        problems(&ours(Package::sample(name, dependencies)))
    }

    #[test]
    fn allowed_edges_pass() {
        let none: Vec<String> = vec![];
        assert_eq!(
            problems_of("annals", &[("annals-entity", false), (LOCAL_STORES[0], false)]),
            none
        );
        assert_eq!(problems_of("annals-entity", &[(CORE, false), (LOCAL_STORES[0], true)]), none);
        assert_eq!(problems_of(LOCAL_STORES[1], &[(PEKKO, false), (CONFORMANCE, true)]), none);
        assert_eq!(problems_of(CORE, &[("bytes", false), ("tokio", true)]), none);
    }

    #[test]
    fn core_uses_none_of_ours() {
        let expected = "package annals-core: may not depend on annals-pekko";
        assert_eq!(problems_of(CORE, &[(PEKKO, false)]), [expected]);
    }

    #[test]
    fn core_names_no_runtime() {
        let expected = "package annals-core: may not use tokio: no I/O and no runtime";
        assert_eq!(problems_of(CORE, &[("tokio", false)]), [expected]);
    }

    #[test]
    fn a_store_sees_the_kit_only_in_its_tests() {
        let expected = "package annals-memory: may not depend on annals-conformance";
        assert_eq!(problems_of(LOCAL_STORES[0], &[(CONFORMANCE, false)]), [expected]);
    }

    #[test]
    fn servers_are_for_tests_alone() {
        let none: Vec<String> = vec![];
        for name in [SERVER_STORES[0], SERVER_STORES[1], "annals", "annals-cli"] {
            assert_eq!(problems_of(name, &[(SERVERS, true)]), none);
            let expected = format!("package {name}: may not depend on annals-servers");
            assert_eq!(problems_of(name, &[(SERVERS, false)]), [expected]);
        }
        let expected = "package annals-servers: may not depend on annals-core";
        assert_eq!(problems_of(SERVERS, &[(CORE, false)]), [expected]);
    }

    #[test]
    fn a_store_does_not_know_another_one() {
        let expected = "package annals-embedded: may not depend on annals-memory in its tests";
        assert_eq!(problems_of(LOCAL_STORES[1], &[(LOCAL_STORES[0], true)]), [expected]);
    }

    #[test]
    fn an_example_sees_the_facade_alone() {
        let none: Vec<String> = vec![];
        assert_eq!(problems_of(EXAMPLES, &[(FACADE, false), ("rusqlite", false)]), none);
        let expected = "package annals-examples-sqlite: may not depend on annals-core";
        assert_eq!(problems_of(EXAMPLES, &[(CORE, false)]), [expected]);
    }

    #[test]
    fn the_entity_runtime_knows_no_store() {
        let expected = "package annals-entity: may not depend on annals-embedded";
        assert_eq!(problems_of("annals-entity", &[(LOCAL_STORES[1], false)]), [expected]);
    }

    #[test]
    fn a_package_without_a_rule_is_a_problem() {
        let expected = "package annals-new: no rule in xtask/src/edges.rs says what it may use";
        assert_eq!(problems_of("annals-new", &[]), [expected]);
    }

    #[test]
    fn a_manifest_needs_description_and_license() {
        let mut package = Package::sample(PEKKO, &[]);
        package.description = None;
        package.license = Some(" ".to_owned());
        let expected = ["description", "license"]
            .map(|field| format!("package annals-pekko: its manifest has no {field}"));
        assert_eq!(problems(&ours(package)), expected);
    }
}
