//! The words around choices, in the languages of the page script: plain, without double negatives, and alike for yes and no (11 CCR 7003, 7004).

use domain::consent::{Conflict, Reason, Standing};
use serde::Serialize;

/// The words around the choices in one language.
#[derive(Serialize)]
pub(crate) struct Words {
    #[serde(skip)]
    pub(crate) language: &'static str,
    title: &'static str,
    lead: &'static str,
    yes: &'static str,
    no: &'static str,
    no_to_all: &'static str,
    close: &'static str,
    sure: &'static str,
    confirm: &'static str,
    saved: &'static str,
    kept: &'static str,
    reload: &'static str,
    /// The words that 11 CCR 7025(c)(6) gives as an example.
    pub(crate) honoured: &'static str,
    signal: &'static str,
    more: &'static str,
    /// The title that 11 CCR 7015(b) prescribes.
    #[serde(skip)]
    pub(crate) link: &'static str,
    #[serde(skip)]
    pub(crate) who: &'static str,
}

const ENGLISH: Words = Words {
    language: "en",
    title: "Your privacy choices",
    lead: "Say yes or no to each. Both count at once, and you can change your mind at any time.",
    yes: "Yes",
    no: "No",
    no_to_all: "No to all",
    close: "Close without choosing",
    sure: "You would allow this again. Do you confirm it?",
    confirm: "Yes, I confirm",
    saved: "Saved.",
    kept: "We can’t be reached just now. Your choice is kept in this browser and sent as soon as we can. A no counts already.",
    reload: "What already runs on this page stops when you load it again.",
    honoured: "Opt-Out Request Honored",
    signal: "Your browser’s opt-out signal is honored: in this browser nothing is sold, shared or used for targeted advertising.",
    more: "More choices, and who gets what",
    link: "Your Privacy Choices",
    who: "Who gets it:",
};

const SPANISH: Words = Words {
    language: "es",
    title: "Sus opciones de privacidad",
    lead: "Diga sí o no a cada una. Ambas respuestas valen de inmediato, y puede cambiar de opinión cuando quiera.",
    yes: "Sí",
    no: "No",
    no_to_all: "No a todo",
    close: "Cerrar sin elegir",
    sure: "Volvería a permitir esto. ¿Lo confirma?",
    confirm: "Sí, lo confirmo",
    saved: "Guardado.",
    kept: "Ahora no podemos recibir su respuesta. Queda en este navegador y se enviará en cuanto sea posible. Un no ya vale.",
    reload: "Lo que ya funciona en esta página se detiene cuando la cargue de nuevo.",
    honoured: "Solicitud de exclusión respetada",
    signal: "Respetamos la señal de exclusión de su navegador: en este navegador nada se vende, se comparte ni se usa para publicidad dirigida.",
    more: "Más opciones, y quién recibe qué",
    link: "Sus opciones de privacidad",
    who: "Quién lo recibe:",
};

impl Words {
    /// The words for a reader: in her language if we have it, else in English.
    pub(crate) fn of(language: &str) -> &'static Self {
        let main = language.split('-').next().unwrap_or(language);
        if main.eq_ignore_ascii_case("es") {
            &SPANISH
        } else {
            &ENGLISH
        }
    }

    /// Where a purpose stands and why.
    pub(crate) fn standing(&self, standing: &Standing) -> &'static str {
        if self.language == "es" {
            spanish(standing)
        } else {
            english(standing)
        }
    }
}

const fn english(standing: &Standing) -> &'static str {
    match standing.reason {
        Reason::NoChoice => {
            "Always used: it is needed for what you ask of us, or the law demands it."
        }
        Reason::NotOptedOut => "Now: used, until you say no.",
        Reason::Consented | Reason::ConsentedAgain => "Now: used, because you said yes.",
        Reason::NoConsent => "Now: not used, until you say yes.",
        Reason::Refused => "Now: not used, because you said no.",
        Reason::Withdrawn => "Now: not used, because you took your yes back.",
        Reason::OptedOut => "Now: not used, because you opted out.",
        Reason::Signal => match standing.conflict {
            Some(Conflict::EarlierConsent) => {
                "Now: not used. You said yes before; your browser’s signal now says no, and the signal counts."
            }
            Some(Conflict::Incentive) => {
                "Now: not used. Your browser’s signal says no; to take part in the programme, tell us that you still want to."
            }
            None => "Now: not used, because your browser’s signal says no.",
        },
        Reason::Expired => "Now: not used. Your yes has ended.",
        Reason::NotConfirmed => "Now: not used. Your yes was not confirmed.",
        Reason::OldNotice => "Now: not used. You said yes to something that has changed since.",
        Reason::NotHersToGive => {
            "Now: not used. The yes did not come from somebody who can give it."
        }
        Reason::GuardianNeeded => "Now: not used. Only a parent or guardian can say yes.",
        Reason::MinorsConsentNeeded => "Now: not used, until you say yes yourself.",
        Reason::TooYoung => "Never used at your age.",
        Reason::NeverAllowed => "Never used: the law forbids it.",
        Reason::CollectedWithoutNotice => "Now: not used, until you say yes.",
    }
}

const fn spanish(standing: &Standing) -> &'static str {
    match standing.reason {
        Reason::NoChoice => "Siempre en uso: hace falta para lo que nos pide, o la ley lo exige.",
        Reason::NotOptedOut => "Ahora: en uso, hasta que diga no.",
        Reason::Consented | Reason::ConsentedAgain => "Ahora: en uso, porque dijo sí.",
        Reason::NoConsent => "Ahora: sin uso, hasta que diga sí.",
        Reason::Refused => "Ahora: sin uso, porque dijo no.",
        Reason::Withdrawn => "Ahora: sin uso, porque retiró su sí.",
        Reason::OptedOut => "Ahora: sin uso, porque se excluyó.",
        Reason::Signal => match standing.conflict {
            Some(Conflict::EarlierConsent) => {
                "Ahora: sin uso. Antes dijo sí; la señal de su navegador dice no, y vale la señal."
            }
            Some(Conflict::Incentive) => {
                "Ahora: sin uso. La señal de su navegador dice no; si quiere participar en el programa, díganoslo."
            }
            None => "Ahora: sin uso, porque la señal de su navegador dice no.",
        },
        Reason::Expired => "Ahora: sin uso. Su sí ha caducado.",
        Reason::NotConfirmed => "Ahora: sin uso. Su sí no se confirmó.",
        Reason::OldNotice => "Ahora: sin uso. Dijo sí a algo que ha cambiado.",
        Reason::NotHersToGive => "Ahora: sin uso. El sí no vino de quien puede darlo.",
        Reason::GuardianNeeded => {
            "Ahora: sin uso. Solo la madre, el padre o el tutor puede decir sí."
        }
        Reason::MinorsConsentNeeded => "Ahora: sin uso, hasta que usted diga sí.",
        Reason::TooYoung => "Nunca en uso a su edad.",
        Reason::NeverAllowed => "Nunca en uso: la ley lo prohíbe.",
        Reason::CollectedWithoutNotice => "Ahora: sin uso, hasta que diga sí.",
    }
}
