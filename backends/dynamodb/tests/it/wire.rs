//! The wire between a store and its server, in the test's hands: each request can be lost, its reply can
//! be lost, delayed or replaced, or it can come twice.

use std::fmt;
use std::sync::{Arc, Mutex};

use aws_sdk_dynamodb::config::http::{HttpRequest, HttpResponse};
use aws_sdk_dynamodb::config::{HttpClient, RuntimeComponents, SharedHttpClient};
use aws_smithy_http_client::tls;
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use futures_util::future::BoxFuture;
use tokio::sync::Notify;

/// What happens to a request.
#[derive(Debug, Clone)]
pub(crate) enum Act {
    /// It passes.
    Pass,
    /// It never arrives.
    Lose,
    /// It is performed, and its reply is lost.
    LoseReply,
    /// It is performed, and its reply comes when something else has been done; it is lost if that fails.
    Then(Afterwards),
    /// It is performed twice; the second reply comes.
    Twice,
    /// It is not performed, and this is the answer: a status and a body.
    Answer(u16, String),
    /// It is not performed, and the answer says so of each of its parts.
    Unprocessed,
    /// It seems lost, but is performed when the gate opens.
    Late(Arc<Gate>),
    /// It waits until it is told to go on.
    Hold(Arc<Gate>),
}

/// What is done before a reply comes, and whether that went well.
#[derive(Clone)]
pub(crate) struct Afterwards(Arc<dyn Fn() -> BoxFuture<'static, bool> + Send + Sync>);

impl Afterwards {
    pub(crate) fn new(act: impl Fn() -> BoxFuture<'static, bool> + Send + Sync + 'static) -> Self {
        Self(Arc::new(act))
    }
}

impl fmt::Debug for Afterwards {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Afterwards").finish_non_exhaustive()
    }
}

/// Where a request waits.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    /// Told when the request has come.
    pub(crate) reached: Notify,
    /// Lets the request go on.
    pub(crate) open: Notify,
}

type Script = dyn FnMut(usize, &str) -> Act + Send;

/// A wire with a script, which is asked about each request: its number, 0 first, and its operation.
#[derive(Clone)]
pub(crate) struct Wire {
    inner: SharedHttpClient,
    state: Arc<Mutex<State>>,
}

struct State {
    script: Box<Script>,
    operations: Vec<String>,
}

impl Wire {
    pub(crate) fn new(script: impl FnMut(usize, &str) -> Act + Send + 'static) -> Self {
        let inner = aws_smithy_http_client::Builder::new()
            .tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring))
            .build_https();
        let state = State { script: Box::new(script), operations: Vec::new() };
        Self { inner, state: Arc::new(Mutex::new(state)) }
    }

    pub(crate) fn client(&self) -> SharedHttpClient {
        SharedHttpClient::new(self.clone())
    }

    /// From now on, the requests are counted anew and asked of this script.
    pub(crate) fn follow(&self, script: impl FnMut(usize, &str) -> Act + Send + 'static) {
        let mut state = self.state.lock().unwrap();
        state.script = Box::new(script);
        state.operations.clear();
    }

    /// The operations since the script began.
    pub(crate) fn operations(&self) -> Vec<String> {
        self.state.lock().unwrap().operations.clone()
    }

    fn act(&self, request: &HttpRequest) -> Act {
        let target = request.headers().get("x-amz-target").unwrap_or_default();
        let operation = target.rsplit('.').next().unwrap_or_default().to_owned();
        let mut state = self.state.lock().unwrap();
        let number = state.operations.len();
        state.operations.push(operation.clone());
        (state.script)(number, &operation)
    }
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wire").finish_non_exhaustive()
    }
}

impl HttpClient for Wire {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        let inner = self.inner.http_connector(settings, components);
        SharedHttpConnector::new(Connector { wire: self.clone(), inner })
    }
}

#[derive(Debug)]
struct Connector {
    wire: Wire,
    inner: SharedHttpConnector,
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let inner = self.inner.clone();
        match self.wire.act(&request) {
            Act::Pass => inner.call(request),
            Act::Lose => HttpConnectorFuture::ready(Err(lost())),
            Act::LoseReply => HttpConnectorFuture::new(async move {
                inner.call(request).await?;
                Err(lost())
            }),
            Act::Then(Afterwards(act)) => HttpConnectorFuture::new(async move {
                let reply = inner.call(request).await?;
                if act().await { Ok(reply) } else { Err(lost()) }
            }),
            Act::Twice => HttpConnectorFuture::new(async move {
                let again = request.try_clone().expect("a body in memory");
                inner.call(request).await?;
                inner.call(again).await
            }),
            Act::Answer(status, body) => HttpConnectorFuture::ready(Ok(answer(status, body))),
            Act::Unprocessed => HttpConnectorFuture::ready(Ok(unprocessed(&request))),
            Act::Late(gate) => {
                tokio::spawn(async move {
                    gate.open.notified().await;
                    let _ = inner.call(request).await;
                    gate.reached.notify_one();
                });
                HttpConnectorFuture::ready(Err(lost()))
            }
            Act::Hold(gate) => HttpConnectorFuture::new(async move {
                gate.reached.notify_one();
                gate.open.notified().await;
                inner.call(request).await
            }),
        }
    }
}

fn lost() -> ConnectorError {
    let reset = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
    ConnectorError::io(reset.into())
}

fn answer(status: u16, body: String) -> HttpResponse {
    let mut response = HttpResponse::new(status.try_into().unwrap(), SdkBody::from(body));
    response.headers_mut().insert("content-type", "application/x-amz-json-1.0");
    response
}

/// The parts of a batch, handed back.
fn unprocessed(request: &HttpRequest) -> HttpResponse {
    let body = std::str::from_utf8(request.body().bytes().unwrap()).unwrap();
    let (_, items) = body.split_once(r#""RequestItems":"#).unwrap();
    let end = items.rfind(r#","ReturnConsumedCapacity"#).unwrap_or(items.len() - 1);
    let items = &items[..end];
    answer(200, format!(r#"{{"UnprocessedItems":{items},"UnprocessedKeys":{items}}}"#))
}

/// The answer that names an error.
pub(crate) fn error(status: u16, name: &str) -> Act {
    let namespace = "com.amazonaws.dynamodb.v20120810";
    Act::Answer(status, format!(r#"{{"__type":"{namespace}#{name}","message":"told so"}}"#))
}

/// The answer that cancels a transaction for these reasons.
pub(crate) fn cancelled(codes: &[&str]) -> Act {
    let reasons: Vec<String> =
        codes.iter().map(|code| format!(r#"{{"Code":"{code}","Message":"told so"}}"#)).collect();
    let name = "com.amazonaws.dynamodb.v20120810#TransactionCanceledException";
    let reasons = reasons.join(",");
    let body =
        format!(r#"{{"__type":"{name}","Message":"told so","CancellationReasons":[{reasons}]}}"#);
    Act::Answer(400, body)
}
