//! The packs that ship: one for each regulation, all of them forbids. A business takes those that bind it.

use crate::source::{Origin, PolicyFile};

/// A pack of policies for one regulation.
#[derive(Clone, Copy, Debug)]
pub struct Pack {
    /// Its name, by which a business takes it.
    pub name: &'static str,
    /// The regulation.
    pub title: &'static str,
    /// Its policies.
    pub text: &'static str,
}

/// All packs.
pub const fn packs() -> [Pack; 3] {
    [
        Pack {
            name: "ccpa",
            title: "California Consumer Privacy Act",
            text: include_str!("../../../policies/ccpa.cedar"),
        },
        Pack {
            name: "gdpr",
            title: "General Data Protection Regulation",
            text: include_str!("../../../policies/gdpr.cedar"),
        },
        Pack {
            name: "hipaa",
            title: "HIPAA: minimum necessary and authorization",
            text: include_str!("../../../policies/hipaa.cedar"),
        },
    ]
}

impl Pack {
    /// The pack as a file to compile.
    pub fn file(&self) -> PolicyFile {
        PolicyFile {
            name: format!("{}.cedar", self.name),
            text: self.text.to_owned(),
            origin: Origin::Statute,
        }
    }
}
