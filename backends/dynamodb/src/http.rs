//! The HTTP client: connections, TLS, and the proxy that they go through.

use annals_core::{Error, Result};
use aws_sdk_dynamodb::config::SharedHttpClient;
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::{Connector, tls};

use crate::settings::{ClientSettings, Proxy};

/// The addresses that credentials of machines and containers come from, which no proxy of the settings
/// knows.
const NEVER_PROXIED: &str = "169.254.169.254,169.254.170.2,169.254.170.23,localhost,127.0.0.1";

const TLS: tls::Provider = tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring);

/// The client that reaches the server of `settings`.
///
/// # Errors
/// `Invalid` for a proxy that is none.
pub(crate) fn client(settings: &ClientSettings) -> Result<SharedHttpClient> {
    let builder = aws_smithy_http_client::Builder::new().pool_idle_timeout(settings.idle_timeout);
    let Some(proxy) = proxy(settings, |name| std::env::var(name).ok())? else {
        return Ok(builder.tls_provider(TLS).build_https());
    };
    let idle_timeout = settings.idle_timeout;
    Ok(builder.build_with_connector_fn(move |settings, components| {
        let mut connector =
            Connector::builder().proxy_config(proxy.clone()).pool_idle_timeout(idle_timeout);
        connector.set_connector_settings(settings.cloned());
        connector.set_sleep_impl(components.and_then(|components| components.sleep_impl()));
        connector.tls_provider(TLS).build()
    }))
}

/// The proxy of the settings, or that of the environment, read as the SDKs read it.
fn proxy(
    settings: &ClientSettings,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Option<ProxyConfig>> {
    if !settings.proxy.host.is_empty() {
        return of_settings(&settings.proxy).map(Some);
    }
    let endpoint = settings.endpoint_url().unwrap_or_else(|| "https://".to_owned());
    // A proxy elsewhere would look for the server on its own machine.
    if is_this_machine(&endpoint) {
        return Ok(None);
    }
    let names = match endpoint.starts_with("http://") {
        true => ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"],
        false => ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"],
    };
    let set = |name| variable(name).filter(|value| !value.is_empty()).map(|value| (name, value));
    let Some((name, url)) = names.into_iter().find_map(set) else { return Ok(None) };
    // What the SDK does not understand, it passes over in silence.
    let url = if url.contains("://") { url } else { format!("http://{url}") };
    if ProxyConfig::all(url).is_err() {
        return Err(Error::invalid(format!(
            "the environment variable {name} names no proxy that speaks HTTP (http://HOST:PORT): correct it, \
             or unset it for this program"
        )));
    }
    Ok(Some(ProxyConfig::from_env()))
}

fn of_settings(proxy: &Proxy) -> Result<ProxyConfig> {
    let Proxy { host, port, username, password } = proxy;
    let mut config = ProxyConfig::all(format!("http://{host}:{port}")).map_err(|error| {
        Error::invalid("settings proxy-host and proxy-port name no proxy").with_source(error)
    })?;
    if !username.is_empty() {
        // They become a part of a URL.
        config = config.with_basic_auth(percent_encoded(username), percent_encoded(password));
    }
    Ok(config.no_proxy(NEVER_PROXIED))
}

fn is_this_machine(endpoint: &str) -> bool {
    let host = endpoint.split_once("://").map_or(endpoint, |(_, rest)| rest);
    let host = host.split(['/', '?']).next().unwrap_or_default();
    let host = match host.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => host,
    };
    host == "localhost" || host == "[::1]" || host.starts_with("127.")
}

/// Everything but letters, digits and the marks that mean nothing in a URL as `%` and its two digits.
fn percent_encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(char::from(byte));
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
        encoded
    })
}

#[cfg(test)]
mod tests {
    use annals_core::ErrorKind;

    use super::*;

    fn of(endpoint: Option<&str>, variables: &[(&str, &str)]) -> Result<Option<ProxyConfig>> {
        let settings =
            ClientSettings { endpoint: endpoint.map(str::to_owned), ..ClientSettings::default() };
        proxy(&settings, |name| {
            let found = variables.iter().find(|(variable, _)| *variable == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn the_environment_names_a_proxy_by_the_scheme_of_the_endpoint() {
        let named = |endpoint, variables: &[(&str, &str)]| of(endpoint, variables).unwrap();
        let is_from_env = |found: Option<ProxyConfig>| found.is_some_and(|f| f.is_from_env());
        let https = [("HTTPS_PROXY", "http://proxy:3128")];
        assert!(is_from_env(named(None, &https)));
        assert!(is_from_env(named(Some("https://db.example"), &https)));
        assert!(named(Some("http://db.example:8000"), &https).is_none());
        let http = [("http_proxy", "proxy:3128"), ("HTTPS_PROXY", "")];
        assert!(named(None, &http).is_none());
        assert!(is_from_env(named(Some("http://db.example:8000"), &http)));
        assert!(is_from_env(named(None, &[("all_proxy", "https://proxy")])));
        assert!(named(None, &[]).is_none());
    }

    #[test]
    fn a_server_on_this_machine_is_reached_without_the_proxy_of_the_environment() {
        let all = [("ALL_PROXY", "http://proxy:3128")];
        for here in ["http://127.0.0.1:8000", "http://localhost", "https://[::1]:8000/"] {
            assert!(of(Some(here), &all).unwrap().is_none(), "{here}");
        }
        for there in ["http://[::2]:8000", "http://localhost.example:1", "http://10.127.0.1"] {
            assert!(of(Some(there), &all).unwrap().is_some(), "{there}");
        }
    }

    #[test]
    fn a_proxy_that_speaks_something_else_is_refused_by_the_name_of_its_variable() {
        for url in ["socks5://me:hidden@proxy:1080", "http://", "ht tp://x"] {
            let error = of(None, &[("ALL_PROXY", url)]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid);
            assert!(error.message().contains("ALL_PROXY"), "{error}");
            assert!(!format!("{error:?}").contains("hidden"), "{error:?}");
        }
    }

    #[test]
    fn what_means_something_in_a_url_is_encoded() {
        assert_eq!(percent_encoded("aZ0-._~"), "aZ0-._~");
        assert_eq!(percent_encoded("p@ss:/%ä"), "p%40ss%3A%2F%25%C3%A4");
    }
}
