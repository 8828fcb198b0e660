//! What is remembered of a reading between two batches, and between two readings, so that it goes on where it stopped.

use domain::sensitive::Sensitive;
use serde::{Deserialize, Serialize};

use crate::scan::{Key, Mark, Position};

/// How far a collection was read.
#[derive(Clone, Default)]
pub struct Bookmark {
    /// Which fields were read; with others, what was read before is not enough.
    pub fields: String,
    /// The watermark up to which everything was read.
    pub mark: Option<Mark>,
    /// The reading that has not come to its end.
    pub course: Option<Course>,
}

/// One reading from its beginning to its end.
#[derive(Clone, Default)]
pub struct Course {
    /// Whether it reads every row; else those from a watermark on.
    pub whole: bool,
    /// Where it began.
    pub from: Option<Mark>,
    /// Whether it began behind that.
    pub beyond: bool,
    /// Where it ends.
    pub until: Option<Mark>,
    /// The greatest watermark that was there when it began, or that it has met.
    pub newest: Option<Mark>,
    /// Where the last batch ended.
    pub after: Option<Position>,
}

#[derive(Serialize, Deserialize)]
struct Written {
    fields: String,
    mark: Option<Key>,
    course: Option<WrittenCourse>,
}

#[derive(Serialize, Deserialize)]
struct WrittenCourse {
    whole: bool,
    from: Option<Key>,
    beyond: bool,
    until: Option<Key>,
    newest: Option<Key>,
    after: Option<Vec<Key>>,
}

impl Bookmark {
    /// A text to seal and to read again with [`Bookmark::from_text`].
    pub fn to_text(&self) -> Sensitive<String> {
        let key = |mark: &Option<Mark>| mark.as_ref().map(|mark| mark.0.expose().clone());
        let course = self.course.as_ref().map(|course| WrittenCourse {
            whole: course.whole,
            from: key(&course.from),
            beyond: course.beyond,
            until: key(&course.until),
            newest: key(&course.newest),
            after: course.after.as_ref().map(|after| after.0.expose().clone()),
        });
        let written = Written {
            fields: self.fields.clone(),
            mark: key(&self.mark),
            course,
        };
        Sensitive::new(serde_json::to_string(&written).unwrap_or_default())
    }

    /// Reads what [`Bookmark::to_text`] wrote.
    pub fn from_text(text: &Sensitive<String>) -> Option<Self> {
        let written: Written = serde_json::from_str(text.expose()).ok()?;
        let mark = |key: Option<Key>| key.map(Mark::new);
        let course = written.course.map(|course| Course {
            whole: course.whole,
            from: mark(course.from),
            beyond: course.beyond,
            until: mark(course.until),
            newest: mark(course.newest),
            after: course.after.map(|keys| Position(Sensitive::new(keys))),
        });
        Some(Self {
            fields: written.fields,
            mark: mark(written.mark),
            course,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_bookmark_is_read_as_it_was_written() {
        let mark = || Some(Mark::new(Key::Text("2024-05-05 10:00:00".to_owned())));
        let position = Position(Sensitive::new(vec![Key::Integer(7), Key::of_bytes(&[1])]));
        let bookmark = Bookmark {
            fields: "email=mail".to_owned(),
            mark: mark(),
            course: Some(Course {
                until: mark(),
                after: Some(position),
                ..Course::default()
            }),
        };
        let again = Bookmark::from_text(&bookmark.to_text()).unwrap();
        assert!(again.to_text() == bookmark.to_text());
        assert!(!again.course.unwrap().whole);
        assert!(Bookmark::from_text(&Sensitive::new("{}".to_owned())).is_none());
    }
}
