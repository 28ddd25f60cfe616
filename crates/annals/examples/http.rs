//! A bank over HTTP: accounts that survive `kill -9`.
//!
//! ```sh
//! cargo run --example http    # listens on 127.0.0.1:8080, stores in ./target/bank, says its PID
//! curl -X POST http://127.0.0.1:8080/accounts/alice/deposits \
//!      -H 'content-type: application/json' -d '{"id": "d-1", "cents": 100}'
//! curl http://127.0.0.1:8080/accounts/alice
//! kill -9 PID                 # and run it again: alice has what she had
//! ```
//!
//! `--listen ADDRESS` and `--store URL` choose others.
//!
//! A deposit that is answered with 200 is on the disk. If no answer comes (the service was killed, the
//! network failed), or one with 503 or 504, nobody needs to guess: the client sends **the same request
//! again**. A deposit has an id of the client's, and the account keeps the ids that it knows, so it
//! counts once however often it is sent.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::process::ExitCode;

use annals::{Context, Effect, Entities, ErrorKind, EventSourced, Reply};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use clap::Parser;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// A bank over HTTP.
#[derive(Debug, Parser)]
#[command(name = "http")]
struct Options {
    /// Where to listen; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,

    /// Where the accounts are: embedded:PATH, or memory: to try it out
    #[arg(long, value_name = "URL", default_value = "embedded:./target/bank")]
    store: String,
}

/// An account: what its deposits add up to.
#[derive(Debug, Default)]
struct Account {
    cents: u64,
    /// The deposits by id. A real account would forget the oldest of them after the time within which
    /// a client may repeat its request.
    deposits: HashMap<String, u64>,
}

/// What happened to an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum Event {
    Deposited { id: String, cents: u64 },
}

/// What an account is asked for.
#[derive(Debug, Clone)]
enum Command {
    Deposit { id: String, cents: u64, reply: Reply<Result<Balance, Refusal>> },
    Balance { reply: Reply<Balance> },
}

/// How an account stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
struct Balance {
    cents: u64,
    deposits: usize,
}

/// Why an account does not take a deposit. Nothing was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refusal {
    /// The id is that of another deposit.
    OtherDeposit,
    /// No account holds as much.
    TooMuch,
}

impl EventSourced for Account {
    const ENTITY_TYPE: &'static str = "account";
    type Command = Command;
    type Event = Event;

    fn handle(&self, command: Command, _: &Context<'_>) -> Effect<Self> {
        match command {
            Command::Balance { reply } => Effect::reply(reply, self.balance()),
            Command::Deposit { id, cents, reply } => match self.deposits.get(&id) {
                Some(known) if *known == cents => Effect::reply(reply, Ok(self.balance())),
                Some(_) => Effect::reply(reply, Err(Refusal::OtherDeposit)),
                None if self.cents.checked_add(cents).is_none() => {
                    Effect::reply(reply, Err(Refusal::TooMuch))
                }
                None => Effect::persist(Event::Deposited { id, cents })
                    .then_reply(reply, |account: &Self| Ok(account.balance())),
            },
        }
    }

    fn apply(&mut self, event: &Event) {
        let Event::Deposited { id, cents } = event;
        self.cents += cents;
        self.deposits.insert(id.clone(), *cents);
    }
}

impl Account {
    fn balance(&self) -> Balance {
        Balance { cents: self.cents, deposits: self.deposits.len() }
    }
}

/// The body of a request to deposit.
#[derive(Debug, Deserialize)]
struct Deposit {
    id: String,
    cents: u64,
}

async fn deposit(
    State(accounts): State<Entities<Account>>,
    Path(account): Path<String>,
    Json(Deposit { id, cents }): Json<Deposit>,
) -> Result<Json<Balance>, Failure> {
    let account = accounts.entity(&account);
    let answer = account.ask(|reply| Command::Deposit { id, cents, reply }).await?;
    Ok(Json(answer?))
}

async fn balance(
    State(accounts): State<Entities<Account>>,
    Path(account): Path<String>,
) -> Result<Json<Balance>, Failure> {
    Ok(Json(accounts.entity(&account).ask(|reply| Command::Balance { reply }).await?))
}

/// What is answered instead: the status says what the client does next.
#[derive(Debug)]
struct Failure(StatusCode, String);

impl From<annals::Error> for Failure {
    fn from(error: annals::Error) -> Self {
        let status = match error.kind() {
            ErrorKind::Invalid => StatusCode::BAD_REQUEST,
            // Nothing was written: the same request may succeed later.
            ErrorKind::Unavailable | ErrorKind::Conflict { .. } | ErrorKind::Closed => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            // Perhaps written: the same request again tells.
            ErrorKind::OutcomeUnknown => StatusCode::GATEWAY_TIMEOUT,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self(status, error.to_string())
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        let message = match refusal {
            Refusal::OtherDeposit => "this id is that of a deposit of another amount",
            Refusal::TooMuch => "the account cannot hold as much",
        };
        Self(StatusCode::CONFLICT, message.to_owned())
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let Self(status, message) = self;
        (status, Json(json!({ "error": message }))).into_response()
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    match serve(&Options::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("http: {failure}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(options: &Options) -> Result<(), Box<dyn std::error::Error>> {
    let store = annals::open(&options.store).await?;
    let accounts = store.entities::<Account>().start();
    let router = Router::new()
        .route("/accounts/{account}/deposits", post(deposit))
        .route("/accounts/{account}", get(balance))
        .with_state(accounts.clone());
    let listener = tokio::net::TcpListener::bind(options.listen).await?;
    println!("listening on http://{} as process {}", listener.local_addr()?, std::process::id());
    axum::serve(listener, router).with_graceful_shutdown(interrupted()).await?;
    // What was accepted is carried out before the store is closed. After kill -9 there is no such end,
    // and none is needed.
    accounts.stop().await?;
    store.close().await?;
    Ok(())
}

/// Waits for Ctrl-C.
async fn interrupted() {
    if let Err(error) = tokio::signal::ctrl_c().await {
        eprintln!("http: Ctrl-C cannot be waited for, so only a signal ends it: {error}");
        std::future::pending::<()>().await;
    }
}
