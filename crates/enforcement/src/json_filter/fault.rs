//! Why a body is refused. A fault names places of the shape and positions in the body, never what stands there.

use domain::profile::AttributeNumber;

/// A body that can't go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the body is refused at byte {at}: {fault}")]
pub struct Refused {
    /// What is wrong.
    pub fault: Fault,
    /// How many bytes of the body came before.
    pub at: u64,
}

/// What is wrong with a body.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// A byte that JSON doesn't have there.
    #[error("it is no JSON (RFC 8259); let the upstream send one JSON value")]
    Syntax,
    /// A byte order mark.
    #[error("it begins with a byte order mark; let the upstream send UTF-8 without one")]
    ByteOrderMark,
    /// A text with a control character that isn't escaped.
    #[error("a text holds a control character; let the upstream escape it")]
    ControlCharacter,
    /// Bytes in a text that are no UTF-8.
    #[error("a text is not UTF-8; let the upstream send UTF-8")]
    NotUtf8,
    /// The body ends in the middle.
    #[error("it ends in the middle of a value; the upstream stopped too early")]
    Truncated,
    /// Something follows the value.
    #[error("something follows the value; let the upstream send one JSON value")]
    Trailing,
    /// Lists and objects inside of each other.
    #[error(
        "lists and objects are nested more than {most} deep; raise the limit or change the upstream"
    )]
    TooDeep {
        /// The limit.
        most: u32,
    },
    /// A member's name that is too long to compare.
    #[error("a member's name is longer than {most} bytes")]
    NameTooLong {
        /// The limit.
        most: usize,
    },
    /// A member's name that holds half a character.
    #[error(
        "a member's name holds half of a surrogate pair, which readers take for different names"
    )]
    NameUnreadable,
    /// A member that the shape knows stands in its object twice.
    #[error("`{path}` stands in its object twice; readers differ in which of the two they take")]
    Duplicate {
        /// Its path in the shape.
        path: String,
    },
    /// A value that is to be changed, and is too long to be read.
    #[error("the value at `{path}` is longer than the {most} bytes that may be read to change it")]
    ValueTooLong {
        /// Its path in the shape.
        path: String,
        /// The limit.
        most: usize,
    },
    /// The data of one subject is more than is kept while her decision is awaited.
    #[error(
        "one element at `{path}` holds more than {most} bytes; raise the limit or name fewer attributes"
    )]
    ElementTooLarge {
        /// Path of the subject in the shape.
        path: String,
        /// The limit.
        most: usize,
    },
    /// The body is longer than it may be.
    #[error("it is longer than {most} bytes")]
    TooLong {
        /// The limit.
        most: u64,
    },
    /// The body as a whole is something else than the shape says.
    #[error("it is a different kind of value than the route's paths say; correct the paths")]
    Misshapen,
    /// The body is about one subject, and nothing of her may go out.
    #[error("it is about a subject of whom nothing may go out; answer as if she did not exist")]
    SubjectWithheld,
    /// Decisions for subjects are missing.
    #[error("{needed} decisions were asked for and {given} given; answer every need, in order")]
    Unanswered {
        /// How many.
        needed: usize,
        /// How many came.
        given: usize,
    },
    /// A body that is to be written names what its sender may not see as it is.
    #[error("`{path}` is attribute {}, which this recipient may not see, and so may not write", .attribute.0)]
    NotWritable {
        /// Its number.
        attribute: AttributeNumber,
        /// Its path in the shape.
        path: String,
    },
    /// A body that is to be written holds a member that the shape doesn't know.
    #[error(
        "an object at `{path}` holds a member that the route does not name; name it in the route, or leave it out"
    )]
    UnknownMember {
        /// Path of the object in the shape.
        path: String,
    },
    /// A body that is to be written holds another kind of value than the shape says.
    #[error("the value at `{path}` is of another kind than the route's paths say")]
    MisshapenAt {
        /// Its path in the shape.
        path: String,
    },
}

/// A fault, and the index in the chunk at which it was seen.
#[derive(Debug)]
pub(super) struct Broken {
    pub(super) fault: Fault,
    pub(super) at: usize,
}

impl Fault {
    #[cold]
    pub(super) const fn at(self, at: usize) -> Broken {
        Broken { fault: self, at }
    }
}
