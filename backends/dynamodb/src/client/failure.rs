//! What a failed request means: whether it was performed, whether it may succeed later, and what to do.

use std::error::Error as StdError;
use std::io;

use annals_core::Error;
use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_sdk_dynamodb::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::CancellationReason;

use crate::item::Item;

/// Why an attempt failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The condition of a write does not hold; the item that is there.
    Condition(Option<Item>),
    /// A transaction was not performed; why, in the order of its items.
    Cancelled(Vec<CancellationReason>),
    /// Nothing was done, since there are too many requests.
    Throttled(Error),
    /// Nothing was done, since something is in the way or nobody answers.
    Busy(Error),
    /// Perhaps it was done.
    Unknown(Error),
    /// Nothing was done, and repeating it helps nobody.
    Refused(Error),
}

/// An error of the SDK that may say more than its metadata.
pub(crate) trait Refusal: ProvideErrorMetadata + StdError + Send + Sync + 'static {
    /// What the error says of conditions.
    fn refusal(&mut self) -> Option<Failure> {
        None
    }
}

impl Refusal for PutItemError {
    fn refusal(&mut self) -> Option<Failure> {
        match self {
            Self::ConditionalCheckFailedException(e) => Some(Failure::Condition(e.item.take())),
            _ => None,
        }
    }
}

impl Refusal for DeleteItemError {
    fn refusal(&mut self) -> Option<Failure> {
        match self {
            Self::ConditionalCheckFailedException(e) => Some(Failure::Condition(e.item.take())),
            _ => None,
        }
    }
}

impl Refusal for UpdateItemError {
    fn refusal(&mut self) -> Option<Failure> {
        match self {
            Self::ConditionalCheckFailedException(e) => Some(Failure::Condition(e.item.take())),
            _ => None,
        }
    }
}

impl Refusal for TransactWriteItemsError {
    fn refusal(&mut self) -> Option<Failure> {
        match self {
            Self::TransactionCanceledException(e) => {
                Some(Failure::Cancelled(e.cancellation_reasons.take().unwrap_or_default()))
            }
            _ => None,
        }
    }
}

macro_rules! plain {
    ($($operation:ident :: $error:ident),*) => {
        $(impl Refusal for aws_sdk_dynamodb::operation::$operation::$error {})*
    };
}

plain!(
    batch_get_item::BatchGetItemError,
    batch_write_item::BatchWriteItemError,
    create_table::CreateTableError,
    describe_table::DescribeTableError,
    get_item::GetItemError,
    query::QueryError,
    scan::ScanError,
    update_table::UpdateTableError
);

impl<E: Refusal> From<SdkError<E, HttpResponse>> for Failure {
    fn from(error: SdkError<E, HttpResponse>) -> Self {
        match error {
            SdkError::ServiceError(context) => {
                let status = context.raw().status().as_u16();
                let mut error = context.into_err();
                error.refusal().unwrap_or_else(|| of_service(status, error))
            }
            SdkError::ConstructionFailure(_) => {
                Self::Refused(error_of("a request could not be made", error))
            }
            SdkError::DispatchFailure(_) if credentials(&error).is_some() => {
                let message = "there are no credentials, so nothing was sent: set AWS_ACCESS_KEY_ID and \
                               AWS_SECRET_ACCESS_KEY, a profile or a role, or give aws-access-key-id and \
                               aws-secret-access-key";
                match credentials(&error) {
                    // A provider that answers late or with an error may do better the next time.
                    Some(
                        CredentialsError::ProviderTimedOut(_) | CredentialsError::ProviderError(_),
                    ) => Self::Busy(error_of(message, error)),
                    _ => Self::Refused(error_of(message, error)),
                }
            }
            SdkError::DispatchFailure(_) if never_sent(&error) => {
                let message = "DynamoDB cannot be reached: check the endpoint, the region, the proxy and \
                               whether the server runs";
                Self::Busy(error_of(message, error))
            }
            SdkError::DispatchFailure(ref failure) if failure.is_user() => {
                Self::Refused(error_of("a request could not be made", error))
            }
            SdkError::TimeoutError(_) => {
                Self::Unknown(error_of("DynamoDB did not answer in time", error))
            }
            _ => Self::Unknown(error_of("the answer of DynamoDB got lost", error)),
        }
    }
}

fn error_of<E: Refusal>(what: &str, error: SdkError<E, HttpResponse>) -> Error {
    let message = format!("{what} ({})", DisplayErrorContext(&error));
    Error::unavailable(message).with_source(error)
}

/// What an answer that is an error says.
fn of_service<E: Refusal>(status: u16, error: E) -> Failure {
    let code = error.code().unwrap_or_default().to_owned();
    let said = error.message().unwrap_or("without a message").to_owned();
    let unavailable = |what: &str| Error::unavailable(format!("{what} ({code}: {said})"));
    match code.as_str() {
        "ProvisionedThroughputExceededException"
        | "RequestLimitExceeded"
        | "ThrottlingException"
        | "Throttling"
        | "TooManyRequestsException"
        | "LimitExceededException" => {
            Failure::Throttled(unavailable("DynamoDB throttles").with_source(error))
        }
        "TransactionConflictException" | "ReplicatedWriteConflictException" => {
            Failure::Busy(unavailable("another write to the item is under way").with_source(error))
        }
        "TransactionInProgressException" => Failure::Unknown(
            unavailable("the same transaction is still under way").with_source(error),
        ),
        "ResourceNotFoundException" => Failure::Refused(
            unavailable(
                "a table or an index does not exist in this region: check the settings, or create it with \
                 `annals schema create`",
            )
            .with_source(error),
        ),
        "ExpiredTokenException" | "ExpiredToken" | "RequestExpired" => Failure::Refused(
            unavailable("the credentials have expired: renew them").with_source(error),
        ),
        "UnrecognizedClientException"
        | "InvalidClientTokenId"
        | "InvalidSignatureException"
        | "IncompleteSignatureException"
        | "MissingAuthenticationTokenException"
        | "MissingAuthenticationToken"
        | "AccessDeniedException"
        | "NotAuthorized"
        | "OptInRequired" => Failure::Refused(
            unavailable("DynamoDB refuses the credentials: check them, their rights and the clock")
                .with_source(error),
        ),
        "ValidationException" if said.contains("table/index name") => {
            let message = format!("a table or an index cannot have the name that it is given ({said})");
            Failure::Refused(Error::invalid(message).with_source(error))
        }
        "ValidationException" => {
            let message = format!(
                "DynamoDB refuses the request as malformed: is the key of the table `par` (S) with `num` (N), \
                 or `seq` (N) for snapshots? ({said})"
            );
            Failure::Refused(Error::invalid(message).with_source(error))
        }
        // Not an error that DynamoDB names: a failure inside, or something in between that answered.
        _ if !(400..500).contains(&status) || code.is_empty() => {
            let what = format!("the answer of DynamoDB, of status {status}, says nothing for sure");
            Failure::Unknown(unavailable(&what).with_source(error))
        }
        _ => Failure::Refused(unavailable("DynamoDB refuses the request").with_source(error)),
    }
}

/// Why there are no credentials, if that is the cause of `error`.
fn credentials<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a CredentialsError> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        cause = error.source();
    }
    None
}

/// Whether an attempt ended before anything of it left this machine.
fn never_sent(error: &(dyn StdError + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        let io = error.downcast_ref::<io::Error>();
        // A name that nobody knows has no kind of its own.
        let unknown_host = || error.to_string() == "dns error";
        if io.is_some_and(|io| io.kind() == io::ErrorKind::ConnectionRefused) || unknown_host() {
            return true;
        }
        cause = error.source();
    }
    false
}
