//! The fourth part: the evidence goes into one file, which is checked with nothing but a public key.

use anyhow::Context as _;
use governance::evidence;

use super::{Forgotten, Story};
use crate::claim::{holds_any, texts_of};
use crate::teller::that;
use crate::visitor::Page;

/// How many places of the file are changed, one at a time.
const FLIPPED: usize = 200;

impl Story<'_> {
    pub(super) async fn prove(&mut self, forgotten: &Forgotten) -> anyhow::Result<()> {
        self.teller.part("4  Prove it");
        let page = forgotten
            .console
            .open(&format!("/console/requests/{}/evidence", forgotten.id))
            .await?;
        self.teller.claim(
            "The operator takes the evidence home in one file",
            that(page.status == 200, "a file"),
        );
        let file = self.business.dir.join("evidence.json");
        std::fs::write(&file, &page.body)
            .with_context(|| format!("`{}` can't be written", file.display()))?;
        let key = evidence::public_key(self.privity)?;
        self.keep("evidence file", &file.display().to_string());
        self.keep("the public key to check it", &key);
        self.verify(&page, &key);
        Ok(())
    }

    fn verify(&mut self, page: &Page, key: &str) {
        match evidence::verify(&page.body, Some(key)) {
            Ok(summary) => {
                self.teller.claim(
                    "It verifies offline, with nothing but the public key",
                    Ok(()),
                );
                summary
                    .iter()
                    .take(6)
                    .for_each(|line| self.teller.aside(line));
            }
            Err(problem) => self.teller.claim(
                "It verifies offline, with nothing but the public key",
                Err(problem.to_string()),
            ),
        }
        self.teller.claim(
            "It holds nothing of hers, only what was done",
            that(
                !holds_any(&page.text(), &texts_of(&self.business.maya)),
                "no personal value",
            ),
        );
        let unnoticed = unnoticed(&page.body, key);
        self.teller.claim(
            &format!("A byte changed in any of {FLIPPED} places is noticed"),
            that(
                unnoticed.is_empty(),
                &format!("each is noticed, but those at {unnoticed:?} were not"),
            ),
        );
        let refused = evidence::verify(&page.body, Some(&other_key(key))).is_err();
        self.teller.claim(
            "A key that differs in one letter does not verify it",
            that(refused, "a refusal"),
        );
    }
}

/// The key with another letter in the middle of its last part.
fn other_key(key: &str) -> String {
    let place = key.chars().count().saturating_sub(9);
    let other = |(at, letter): (usize, char)| match (at == place, letter) {
        (true, 'Q') => 'R',
        (true, _) => 'Q',
        (false, letter) => letter,
    };
    key.chars().enumerate().map(other).collect()
}

/// Places at which a changed byte goes unnoticed.
fn unnoticed(file: &[u8], key: &str) -> Vec<usize> {
    let step = (file.len() / FLIPPED).max(1);
    let is_unnoticed = |place: &usize| {
        let mut changed = file.to_vec();
        if let Some(byte) = changed.get_mut(*place) {
            *byte ^= 1;
        }
        evidence::verify(&changed, Some(key)).is_ok()
    };
    (0..file.len()).step_by(step).filter(is_unnoticed).collect()
}
