//! The words that a data map may use for data categories and reasons: the law data says which exist.

use domain::law::LawBook;

/// Data categories and reason codes that exist.
pub trait Vocabulary {
    /// All data categories, e.g. `user.contact.email`.
    fn categories(&self) -> Vec<&str>;
    /// All codes for which something may be kept, e.g. `D8_legal_obligation`.
    fn reason_codes(&self) -> Vec<&str>;
}

impl Vocabulary for LawBook {
    fn categories(&self) -> Vec<&str> {
        Self::categories(self)
            .map(|category| category.category.as_str())
            .collect()
    }

    fn reason_codes(&self) -> Vec<&str> {
        self.exceptions()
            .map(|reason| reason.reason.as_str())
            .collect()
    }
}
