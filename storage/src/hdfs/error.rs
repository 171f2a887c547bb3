//! What goes wrong on HDFS, and what the caller can do about it.
//!
//! A name node answers with the name of a Java exception and a message that ends in a stack trace; the data
//! path and the connection fail in the client. Both are read here, once.

use std::fmt;

use hdfs_native::HdfsError as ClientError;

use super::BACKEND;
use crate::{Error, ErrorKind, Operation};

/// What was being done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Connect,
    ReadAttributes,
    Open,
    Read,
    List,
    CreateStaged,
    WriteStaged,
    CompleteStaged,
    AskForCopies,
    MakeParent,
    Publish,
    Remove,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "set up the client",
            Self::ReadAttributes => "read the attributes of the object",
            Self::Open => "open the object",
            Self::Read => "read the object",
            Self::List => "list a directory",
            Self::CreateStaged => "create a staging file",
            Self::WriteStaged => "write the staging file",
            Self::CompleteStaged => "complete the staging file",
            Self::AskForCopies => "ask for more copies of the staging file",
            Self::MakeParent => "make the directory of the object",
            Self::Publish => "give the object its name",
            Self::Remove => "remove the object",
        })
    }
}

/// A failure below an operation, which does not know yet which operation that was.
#[derive(Debug, thiserror::Error)]
pub(super) enum HdfsError {
    /// The name node says no.
    #[error("could not {step}: {}", explain(.answer, .message))]
    Refused { step: Step, answer: Answer, message: String },
    /// The connection, the data path or the client itself.
    #[error("could not {step}{}", hint(.source))]
    Client { step: Step, source: ClientError },
    #[error("could not {step}: the name node did not answer in time")]
    Silent { step: Step },
    /// A fault that might pass, had it ever been otherwise.
    #[error("it has never worked so far: {}", if .0.presumes() == Presumes::APut {
        "no object could be stored yet"
    } else {
        "no active name node has answered; are address and authentication right?"
    })]
    FromTheStart(#[source] Box<Self>),
    #[error("the path is a directory")]
    NotAFile,
    #[error("the range does not lie inside the {size} bytes of the object")]
    Range { size: u64 },
    #[error("the data nodes gave {found} of {expected} bytes")]
    EndedEarly { found: u64, expected: u64 },
    #[error("there is no memory for {length} bytes")]
    NoMemory { length: u64 },
    #[error("the call was cancelled")]
    Cancelled,
    #[error("the root is not an object")]
    Root,
    #[error("the HDFS client broke down: {0}")]
    Broken(String),
}

/// Something that has happened in this session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Presumes {
    Nothing,
    AnAnswer,
    APut,
}

/// What the exception of a name node means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    Absent,
    Taken,
    NotADirectory,
    NotEmpty,
    Denied,
    Quota,
    NoDataNode,
    SafeMode,
    Standby,
    LeaseLost,
    Later,
    Other,
}

impl Answer {
    fn of(class: &str, message: &str) -> Self {
        let name = class.rsplit(['.', '$']).next().unwrap_or(class);
        match name {
            "FileNotFoundException" => Self::Absent,
            "FileAlreadyExistsException" => Self::Taken,
            "ParentNotDirectoryException" => Self::NotADirectory,
            "PathIsNotEmptyDirectoryException" => Self::NotEmpty,
            "AccessControlException" if goes_through_a_file(message) => Self::NotADirectory,
            "AccessControlException" | "AuthorizationException" | "InvalidToken" => Self::Denied,
            "NSQuotaExceededException"
            | "DSQuotaExceededException"
            | "QuotaByStorageTypeExceededException"
            | "QuotaExceededException"
            | "MaxDirectoryItemsExceededException" => Self::Quota,
            // A name node that has just become active wraps its safe mode.
            "SafeModeException" => Self::SafeMode,
            "RetriableException" if message.contains("safe mode") => Self::SafeMode,
            "StandbyException" => Self::Standby,
            "LeaseExpiredException" => Self::LeaseLost,
            "RetriableException"
            | "NotReplicatedYetException"
            | "ObserverRetryOnActiveException" => Self::Later,
            "IOException" if message.contains("could only be") => Self::NoDataNode,
            _ => Self::Other,
        }
    }
}

/// Whether the right to enter was denied to what is a file: nothing can lie below it, and only a name node
/// that checks permissions says so in this way.
fn goes_through_a_file(message: &str) -> bool {
    message.contains("access=EXECUTE") && message.contains(":-")
}

fn explain(answer: &Answer, message: &str) -> String {
    let meaning = match answer {
        Answer::Absent => "there is no such path",
        Answer::Taken => "the path is taken",
        Answer::NotADirectory => "the path leads through a file",
        Answer::NotEmpty => "the directory is not empty",
        Answer::Denied => "the name node refuses this user",
        Answer::Quota => "a quota of the directory is used up",
        Answer::NoDataNode => {
            "no data node takes the block: none is alive, or all are full or busy"
        }
        Answer::SafeMode => "the name node is in safe mode and changes nothing",
        Answer::Standby => "every name node that answers is on standby",
        Answer::LeaseLost => "the staging file was taken away",
        Answer::Later => "the name node asks to try later",
        Answer::Other => return message.to_owned(),
    };
    format!("{meaning} ({message})")
}

fn hint(source: &ClientError) -> &'static str {
    match source {
        ClientError::GSSAPIError(..) => ": Kerberos gives no ticket for this identity",
        ClientError::SASLError(_) | ClientError::NoSASLMechanism => {
            ": the server does not take this authentication"
        }
        ClientError::OperationFailed(text) if text.contains("libgssapi") => {
            ": Kerberos needs the system library libgssapi_krb5.so.2"
        }
        _ => "",
    }
}

impl HdfsError {
    /// Wraps the error of the client in `step`.
    pub(super) fn in_step(step: Step) -> impl Fn(ClientError) -> Self {
        move |source| match source {
            ClientError::RPCError(class, text) | ClientError::FatalRPCError(class, text) => {
                Self::refused(step, &class, &text)
            }
            ClientError::AlreadyExists(text) => {
                let (answer, message) = (Answer::Taken, first_line(&text));
                Self::Refused { step, answer, message }
            }
            ClientError::FileNotFound(path) => {
                Self::Refused { step, answer: Answer::Absent, message: path }
            }
            source => Self::Client { step, source },
        }
    }

    fn refused(step: Step, class: &str, text: &str) -> Self {
        let answer = Answer::of(class, text);
        let message = match (answer, first_line(text)) {
            // A message that says nothing by itself.
            (_, line) if line.is_empty() => class.to_owned(),
            (Answer::Other, line) => format!("{class}: {line}"),
            (_, line) => line,
        };
        Self::Refused { step, answer, message }
    }

    fn answer(&self) -> Option<Answer> {
        match self {
            Self::Refused { answer, .. } => Some(*answer),
            _ => None,
        }
    }

    /// Whether it says that there is nothing at the path.
    pub(super) fn is_absence(&self) -> bool {
        matches!(self, Self::NotAFile)
            || matches!(self.answer(), Some(Answer::Absent | Answer::NotADirectory))
    }

    /// Whether it says that objects lie below the path.
    pub(super) fn is_directory(&self) -> bool {
        self.answer() == Some(Answer::NotEmpty)
    }

    /// Whether data nodes failed while they were written to.
    pub(super) fn is_broken_pipeline(&self) -> bool {
        matches!(
            self,
            Self::Client {
                step: Step::WriteStaged | Step::CompleteStaged,
                source: ClientError::IOError(_) | ClientError::DataTransferError(_),
            }
        )
    }

    /// Whether the bytes of an object could not be had, though it is there.
    pub(super) fn is_loss_of_data(&self) -> bool {
        matches!(self, Self::Client { step: Step::Read, .. } | Self::EndedEarly { .. })
    }

    /// Whether it shows that an active name node was reached.
    pub(super) fn is_from_an_active_name_node(&self) -> bool {
        self.answer().is_some_and(|answer| answer != Answer::Standby)
    }

    /// What must have happened before for this to be a fault that passes.
    pub(super) fn presumes(&self) -> Presumes {
        match self {
            Self::Refused { answer: Answer::SafeMode | Answer::NoDataNode, .. } => Presumes::APut,
            Self::Refused { answer: Answer::Standby, .. }
            | Self::Client { .. }
            | Self::Silent { .. } => Presumes::AnAnswer,
            _ => Presumes::Nothing,
        }
    }

    /// The error of this crate for `operation` on `path`: the one place that classifies.
    pub(super) fn classify(self, operation: Operation, path: impl fmt::Display) -> Error {
        Error::new(self.kind(operation), operation, BACKEND, path).with_source(self)
    }

    fn kind(&self, operation: Operation) -> ErrorKind {
        match self {
            Self::Refused { step, answer, .. } => kind_of_answer(*step, *answer, operation),
            Self::Client { step, source } => kind_of_fault(*step, source),
            Self::Silent { step } => passing(*step),
            Self::FromTheStart(cause) => match cause.kind(operation) {
                ErrorKind::Transient | ErrorKind::UnknownOutcome => ErrorKind::Other,
                kind => kind,
            },
            Self::NotAFile => absent(operation),
            Self::Range { .. } => ErrorKind::InvalidRange,
            Self::EndedEarly { .. } | Self::NoMemory { .. } => ErrorKind::Transient,
            Self::Root => match operation {
                Operation::Get | Operation::Head => ErrorKind::NotFound,
                _ => ErrorKind::Unsupported,
            },
            Self::Cancelled | Self::Broken(_) => ErrorKind::Other,
        }
    }
}

fn kind_of_answer(step: Step, answer: Answer, operation: Operation) -> ErrorKind {
    match answer {
        // Somebody swept the staging file away; a new one will do.
        Answer::Absent | Answer::LeaseLost if operation == Operation::Put => ErrorKind::Transient,
        Answer::Absent | Answer::NotADirectory => absent(operation),
        Answer::Taken => ErrorKind::AlreadyExists,
        Answer::Denied => ErrorKind::PermissionDenied,
        Answer::Quota => ErrorKind::NoSpace,
        Answer::Standby if step == Step::Publish => ErrorKind::UnknownOutcome,
        Answer::NoDataNode
        | Answer::SafeMode
        | Answer::Standby
        | Answer::Later
        | Answer::LeaseLost => ErrorKind::Transient,
        Answer::NotEmpty | Answer::Other => ErrorKind::Other,
    }
}

fn kind_of_fault(step: Step, source: &ClientError) -> ErrorKind {
    match source {
        ClientError::GSSAPIError(_, _, text) if text.contains("contact any KDC") => passing(step),
        ClientError::GSSAPIError(..) | ClientError::SASLError(_) | ClientError::NoSASLMechanism => {
            ErrorKind::PermissionDenied
        }
        ClientError::IOError(_)
        | ClientError::DataTransferError(_)
        | ClientError::ChecksumError
        | ClientError::BlocksNotFound(_) => passing(step),
        ClientError::OperationFailed(text) if text.contains("in time") => passing(step),
        ClientError::OperationFailed(text) if text.contains("libgssapi") => ErrorKind::Unsupported,
        ClientError::UnsupportedFeature(_) | ClientError::UnsupportedErasureCodingPolicy(_) => {
            ErrorKind::Unsupported
        }
        _ => ErrorKind::Other,
    }
}

/// A fault of the network. The rename of a put may have happened all the same.
fn passing(step: Step) -> ErrorKind {
    if step == Step::Publish { ErrorKind::UnknownOutcome } else { ErrorKind::Transient }
}

/// Nothing at the path is an answer to a read; to anything else it is a surprise.
fn absent(operation: Operation) -> ErrorKind {
    match operation {
        Operation::Get | Operation::Head | Operation::Open => ErrorKind::NotFound,
        Operation::Put | Operation::List | Operation::Delete => ErrorKind::Other,
    }
}

/// What is left of a message without its stack trace.
fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;
    use std::io;

    use super::*;

    fn remote(step: Step, class: &str, message: &str) -> HdfsError {
        HdfsError::in_step(step)(ClientError::RPCError(class.to_owned(), message.to_owned()))
    }

    fn kind(class: &str, message: &str, operation: Operation) -> ErrorKind {
        remote(Step::ReadAttributes, class, message).classify(operation, "a").kind()
    }

    #[test]
    fn answers_of_a_name_node_become_what_the_caller_can_do() {
        use ErrorKind::*;
        use Operation::{Delete, Get, Head, Put};
        let file = r#"Permission denied: user=u, access=EXECUTE, inode="/r/a":u:g:-rw-r--r--"#;
        let directory = r#"Permission denied: user=u, access=EXECUTE, inode="/r":u:g:drwx------"#;
        let no_node = "File /a could only be replicated to 0 nodes instead of minReplication (=1).";
        let table = [
            ("java.io.FileNotFoundException", "", Get, NotFound),
            ("java.io.FileNotFoundException", "", Put, Transient),
            ("org.apache.hadoop.fs.ParentNotDirectoryException", "", Head, NotFound),
            ("org.apache.hadoop.fs.ParentNotDirectoryException", "", Put, Other),
            ("org.apache.hadoop.fs.FileAlreadyExistsException", "", Put, AlreadyExists),
            ("org.apache.hadoop.security.AccessControlException", directory, Get, PermissionDenied),
            ("org.apache.hadoop.security.AccessControlException", file, Get, NotFound),
            ("org.apache.hadoop.hdfs.protocol.DSQuotaExceededException", "", Put, NoSpace),
            ("org.apache.hadoop.hdfs.protocol.NSQuotaExceededException", "", Put, NoSpace),
            (
                "org.apache.hadoop.hdfs.protocol.FSLimitException$MaxDirectoryItemsExceededException",
                "",
                Put,
                NoSpace,
            ),
            ("org.apache.hadoop.hdfs.server.namenode.SafeModeException", "", Delete, Transient),
            ("org.apache.hadoop.ipc.StandbyException", "", Get, Transient),
            ("org.apache.hadoop.ipc.RetriableException", "", Get, Transient),
            ("java.io.IOException", no_node, Put, Transient),
            ("java.io.IOException", "anything else", Put, Other),
            ("org.apache.hadoop.fs.PathIsNotEmptyDirectoryException", "", Delete, Other),
        ];
        for (class, message, operation, expected) in table {
            assert_eq!(kind(class, message, operation), expected, "{class} in {operation}");
        }
    }

    #[test]
    fn a_rename_without_an_answer_may_have_happened() {
        let lost = |step| {
            let aborted: io::Error = io::ErrorKind::ConnectionAborted.into();
            HdfsError::in_step(step)(aborted.into()).classify(Operation::Put, "a").kind()
        };
        assert_eq!(lost(Step::Publish), ErrorKind::UnknownOutcome);
        assert_eq!(lost(Step::WriteStaged), ErrorKind::Transient);
        let silent = HdfsError::Silent { step: Step::Publish }.classify(Operation::Put, "a");
        assert_eq!(silent.kind(), ErrorKind::UnknownOutcome);
    }

    #[test]
    fn what_never_worked_is_not_worth_a_retry_and_says_so() {
        let silent = HdfsError::FromTheStart(Box::new(HdfsError::Silent { step: Step::Open }));
        let error = silent.classify(Operation::Get, "a");
        assert!(!error.is_retryable());
        assert!(error.source().unwrap().to_string().contains("no active name node"));
        let absent = remote(Step::Open, "java.io.FileNotFoundException", "");
        let absent = HdfsError::FromTheStart(Box::new(absent)).classify(Operation::Get, "a");
        assert!(absent.is_not_found());
    }

    #[test]
    fn a_message_is_for_people() {
        let class = "org.apache.hadoop.hdfs.server.namenode.SafeModeException";
        let text =
            "Cannot create file /a. Name node is in safe mode.\nThe reported blocks 0 ..\n\tat org";
        assert_eq!(
            remote(Step::CreateStaged, class, text).to_string(),
            "could not create a staging file: the name node is in safe mode and changes nothing \
             (Cannot create file /a. Name node is in safe mode.)"
        );
        assert_eq!(
            remote(Step::Open, "java.io.IOException", "odd\n\tat x").to_string(),
            "could not open the object: java.io.IOException: odd"
        );
        assert_eq!(
            remote(Step::Open, "x.FileNotFoundException", "").to_string(),
            "could not open the object: there is no such path (x.FileNotFoundException)"
        );
    }
}
