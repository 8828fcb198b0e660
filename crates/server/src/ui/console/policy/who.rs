//! About whom: a form for a subject's id or for facts of somebody who need not exist.

use std::collections::BTreeSet;

use domain::policy::{AgeBand, Fact, Layout};
use governance::policy::{Hypothetical, Who};
use governance::{Privity, Problem};
use serde::Serialize;

use super::super::super::words;
use crate::fields::Fields;

/// The form, as it was filled in.
#[derive(Serialize)]
pub(super) struct WhoForm {
    subject: String,
    jurisdictions: Vec<Choice>,
    ages: Vec<Choice>,
    facts: Vec<FactChoice>,
}

/// One thing to choose.
#[derive(Serialize)]
pub(super) struct Choice {
    pub(super) code: String,
    pub(super) words: String,
    pub(super) chosen: bool,
}

#[derive(Serialize)]
struct FactChoice {
    code: &'static str,
    words: &'static str,
    so: bool,
    unknown: bool,
}

/// Whom the form names: a subject, or facts. A form that nobody filled in yet is about a grown-up where the business is at home.
///
/// # Errors
/// What is no subject's id, age or fact.
pub(super) fn who(privity: &Privity, fields: &Fields) -> Result<Who, Problem> {
    if let Some(id) = fields.text("subject") {
        let id = id.parse().map_err(|_| {
            Problem::invalid(
                "subject",
                "this is not a subject’s id; it begins with `sub_`",
            )
        })?;
        return Ok(Who::Subject(id));
    }
    if !is_filled_in(fields) {
        return Ok(Who::Hypothetical(usual(privity)));
    }
    let fact = |text: &str| {
        Fact::parse(text).ok_or_else(|| Problem::invalid("facts", "choose facts from the list"))
    };
    let facts = |name| -> Result<BTreeSet<Fact>, Problem> {
        fields.chosen(name).into_iter().map(fact).collect()
    };
    let age = fields.text("age").map(|text| {
        AgeBand::parse(text).ok_or_else(|| Problem::invalid("age", "choose an age from the list"))
    });
    Ok(Who::Hypothetical(Hypothetical {
        jurisdiction: fields.text("jurisdiction").map(str::to_owned),
        age: age.transpose()?,
        is: facts("is")?,
        unknown: facts("unknown")?,
    }))
}

fn is_filled_in(fields: &Fields) -> bool {
    fields.names().contains("jurisdiction")
}

fn usual(privity: &Privity) -> Hypothetical {
    let law = &privity.settings().business.default_law;
    let law = privity.law().law(law);
    let home = law.ok().map(|law| law.jurisdiction.clone());
    let in_force = privity.policies();
    let known = |place: &String| {
        let layout = in_force.as_ref().map(|in_force| in_force.table.layout());
        layout.is_some_and(|layout| layout.jurisdictions().contains(place))
    };
    Hypothetical {
        jurisdiction: home.filter(known),
        age: Some(AgeBand::Adult),
        is: [Fact::ChoiceAllows].into(),
        unknown: BTreeSet::new(),
    }
}

impl WhoForm {
    /// The form with what was chosen, or with what is usual.
    pub(super) fn of(privity: &Privity, layout: &Layout, fields: &Fields) -> Self {
        let usual = usual(privity);
        let filled = is_filled_in(fields) || fields.text("subject").is_some();
        let place = if filled {
            fields.typed("jurisdiction")
        } else {
            usual.jurisdiction.unwrap_or_default()
        };
        let age = if filled {
            fields.typed("age")
        } else {
            usual.age.map(AgeBand::text).unwrap_or_default().to_owned()
        };
        let is = |fact: Fact| {
            if filled {
                fields.chosen("is").contains(&fact.text())
            } else {
                usual.is.contains(&fact)
            }
        };
        Self::with(layout.jurisdictions(), fields, &place, &age, is)
    }

    fn with(
        places: &[String],
        fields: &Fields,
        place: &str,
        age: &str,
        is: impl Fn(Fact) -> bool,
    ) -> Self {
        let jurisdiction = |code: &String| Choice {
            words: place_words(code),
            chosen: code == place,
            code: code.clone(),
        };
        let ages = AgeBand::ALL.map(|band| Choice {
            code: band.text().to_owned(),
            words: words::age_band(band).to_owned(),
            chosen: band.text() == age,
        });
        let fact = |fact: Fact| FactChoice {
            code: fact.text(),
            words: words::fact(fact),
            so: is(fact),
            unknown: fields.chosen("unknown").contains(&fact.text()),
        };
        Self {
            subject: fields.typed("subject"),
            jurisdictions: places.iter().map(jurisdiction).collect(),
            ages: ages.into(),
            facts: Fact::ALL.map(fact).into(),
        }
    }
}

fn place_words(code: &str) -> String {
    match code {
        "unknown" => "Nobody knows".to_owned(),
        "other" => "Somewhere else".to_owned(),
        code => words::place(code).map_or_else(|| code.to_owned(), str::to_owned),
    }
}

#[cfg(test)]
pub(super) fn sample() -> WhoForm {
    let places = ["US-CA", "EU", "other", "unknown"].map(str::to_owned);
    WhoForm::with(&places, &Fields::default(), "US-CA", "adult", |fact| {
        fact == Fact::ChoiceAllows
    })
}
