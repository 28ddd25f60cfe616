//! What a failed request means: whether it was performed, whether it may succeed later, and what to do.

use std::error::Error as StdError;

use annals_core::Error;
use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::CancellationReason;

use super::cause::{Answer, Cause};
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
                error.refusal().unwrap_or_else(|| of_service(status, Answer::of(&error)))
            }
            SdkError::ConstructionFailure(_) => {
                Self::Refused(error_of("a request could not be made", error))
            }
            SdkError::DispatchFailure(_) if credentials(&error).is_some() => {
                without_credentials(error)
            }
            SdkError::DispatchFailure(_) if is_untrusted(&error) => Self::Refused(error_of(
                "the server's certificate is not trusted: check the endpoint, and add the authority that signed the \
                 certificate to those of the system or to the file that SSL_CERT_FILE names",
                error,
            )),
            SdkError::DispatchFailure(_) if never_sent(&error) => {
                let message = "DynamoDB cannot be reached: check that the server runs, and the endpoint, the region \
                               and the proxy";
                Self::Busy(error_of(message, error))
            }
            SdkError::DispatchFailure(ref failure) if failure.is_user() => {
                Self::Refused(error_of("a request could not be made", error))
            }
            SdkError::DispatchFailure(ref failure) if failure.is_timeout() => {
                Self::Unknown(error_of("DynamoDB did not answer in time", error))
            }
            SdkError::TimeoutError(_) => {
                Self::Unknown(error_of("DynamoDB did not answer in time", error))
            }
            _ => Self::Unknown(error_of("the answer of DynamoDB got lost", error)),
        }
    }
}

fn error_of<E: Refusal>(what: &str, error: SdkError<E, HttpResponse>) -> Error {
    Error::unavailable(what).with_source(Cause::new(error))
}

/// What a request comes to that could not be signed.
fn without_credentials<E: Refusal>(error: SdkError<E, HttpResponse>) -> Failure {
    match credentials(&error) {
        Some(CredentialsError::CredentialsNotLoaded(_)) => Failure::Refused(error_of(
            "there are no credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile or a role, or \
             give aws-access-key-id and aws-secret-access-key",
            error,
        )),
        Some(CredentialsError::InvalidConfiguration(_)) => Failure::Refused(error_of(
            "the credentials cannot be loaded as they are configured: correct the profile or the variables",
            error,
        )),
        // A provider that answers late or with an error may do better the next time.
        _ => Failure::Busy(error_of(
            "whoever gives out the credentials did not: sign in again, or check the role and its provider",
            error,
        )),
    }
}

/// What an answer that is an error says.
fn of_service(status: u16, answer: Answer) -> Failure {
    let (code, said) = (answer.code().to_owned(), answer.message().to_owned());
    if code == "ValidationException" {
        return Failure::Refused(Error::invalid(of_validation(&said)).with_source(answer));
    }
    let unavailable = |what: &str| Error::unavailable(what).with_source(answer);
    match code.as_str() {
        "ProvisionedThroughputExceededException"
        | "RequestLimitExceeded"
        | "ThrottlingException"
        | "Throttling"
        | "TooManyRequestsException"
        | "LimitExceededException" => Failure::Throttled(unavailable(THROTTLED)),
        "TransactionConflictException" | "ReplicatedWriteConflictException" => {
            Failure::Busy(unavailable("another write to the item is under way: repeat it"))
        }
        "TransactionInProgressException" => {
            Failure::Unknown(unavailable("the same transaction is still under way"))
        }
        "ResourceNotFoundException" => Failure::Refused(unavailable(
            "the table or its index does not exist there: check its name and the region, or create it with \
             `annals schema create`",
        )),
        "ExpiredTokenException" | "ExpiredToken" => Failure::Refused(unavailable(
            "the credentials have expired: renew them (sign in again), and repeat it",
        )),
        "RequestExpired" | "RequestTimeTooSkewed" => Failure::Refused(unavailable(CLOCK)),
        "InvalidSignatureException" if is_about_time(&said) => Failure::Refused(unavailable(CLOCK)),
        "AccessDeniedException" | "NotAuthorized" | "OptInRequired" => Failure::Refused(
            unavailable("the credentials lack a right: grant the one that the answer names"),
        ),
        "UnrecognizedClientException"
        | "InvalidClientTokenId"
        | "InvalidSignatureException"
        | "SignatureDoesNotMatch"
        | "IncompleteSignatureException"
        | "MissingAuthenticationTokenException"
        | "MissingAuthenticationToken" => Failure::Refused(unavailable(
            "DynamoDB refuses the credentials: check the key, its secret, and that they are of this region",
        )),
        // Not an error that DynamoDB names: a failure inside, or something in between that answered.
        _ if !(400..500).contains(&status) || code.is_empty() => Failure::Unknown(unavailable(
            &format!("the answer, of status {status}, says nothing for sure"),
        )),
        _ => Failure::Refused(unavailable("DynamoDB refuses the request")),
    }
}

/// What is said where there are too many requests.
pub(super) const THROTTLED: &str = "DynamoDB throttles: repeat it later, or raise the capacity of the table or the limits \
                                    of the account";

const CLOCK: &str =
    "DynamoDB refuses requests of that time: this machine's clock is wrong, set it right";

fn is_about_time(said: &str) -> bool {
    said.contains("Signature expired") || said.contains("not yet current")
}

/// What is wrong with a request that DynamoDB calls invalid.
pub(super) fn of_validation(said: &str) -> &'static str {
    if said.contains("table/index name") || said.contains("'tableName'") {
        "a table or an index cannot have the name that it is given: correct the setting"
    } else if said.contains("size has exceeded") || said.contains("size to update has exceeded") {
        "the item is larger than DynamoDB takes, which is 400 KB with its copies in local indexes: make it \
         smaller"
    } else {
        "DynamoDB refuses the request as malformed: is the key of the table `par` (S) with `num` (N), or `seq` (N) \
         for snapshots? See `annals schema check`"
    }
}

/// Why there are no credentials, if that is the cause of `error`.
fn credentials<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a CredentialsError> {
    causes(error).find_map(|cause| cause.downcast_ref())
}

/// Whether an attempt ended before anything of it left this machine: no connection was made.
fn never_sent(error: &(dyn StdError + 'static)) -> bool {
    causes(error).any(|cause| {
        cause.downcast_ref::<hyper_util::client::legacy::Error>().is_some_and(|e| e.is_connect())
    })
}

/// Whether nobody vouches for the server: in the words of rustls, whose errors have their type behind the SDK.
fn is_untrusted(error: &(dyn StdError + 'static)) -> bool {
    causes(error).any(|cause| cause.to_string().starts_with("invalid peer certificate"))
}

fn causes<'a>(
    error: &'a (dyn StdError + 'static),
) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}
