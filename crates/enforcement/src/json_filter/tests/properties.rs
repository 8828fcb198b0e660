//! For generated shapes, bodies and permits: the filter says what the model says, however the body is cut.

use proptest::prelude::*;

use super::model::{Kind, Model, Node, Said, Way};
use super::*;

const NAMES: [&str; 5] = ["a", "b", "id", "e mail", "ä"];
const UNKNOWN: [&str; 4] = ["A", "x", "", "e mai"];

/// Choices, one after the other; zeros at their end, so that less is simpler.
struct Dice<'a> {
    rolls: &'a [u8],
    /// Gives each text of a body a number of its own.
    texts: u32,
}

impl Dice<'_> {
    fn roll(&mut self, sides: u8) -> u8 {
        let Some((first, rest)) = self.rolls.split_first() else {
            return 0;
        };
        self.rolls = rest;
        first % sides
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.roll(of.len().try_into().unwrap()) as usize]
    }

    fn said(&mut self) -> Said {
        let mut said = Said::default();
        for _ in 0..=self.roll(8) {
            let (mut way, mut place_use) = (self.way(), PlaceUse::Passed);
            match self.roll(4) {
                0 if self.roll(2) == 0 => way.push("*"),
                0 => {}
                _ => place_use = attribute(self.roll(4).into()),
            }
            said.places.push((way, place_use));
            if built(&said, BodyForm::Json).is_err() {
                said.places.pop();
            }
        }
        for _ in 0..self.roll(4) * 4 {
            let way = said.places[self.roll(said.places.len() as u8) as usize]
                .0
                .clone();
            let subject = way[..self.roll(way.len() as u8 + 1) as usize].to_vec();
            let mut key = subject.clone();
            key.push("id");
            if self.roll(3) == 0 {
                key.push("a");
            }
            said.subjects.push((subject, key));
            if built(&said, BodyForm::Json).is_err() {
                said.subjects.pop();
            }
        }
        said
    }

    fn way(&mut self) -> Way {
        let mut way = Vec::new();
        for _ in 0..=self.roll(4) {
            way.push(if self.roll(4) == 3 {
                "[*]"
            } else {
                self.pick(&NAMES)
            });
        }
        way
    }

    fn granted(&mut self) -> Granted {
        let mut grants = Granted::default();
        for number in 0..4 {
            let effect = match self.roll(8) {
                0..=2 => Effect::Keep,
                3 => Effect::Null,
                4 => Effect::Change(Change::Mask),
                5 => Effect::Change(Change::Generalise),
                6 => Effect::Change(Change::Token),
                _ => continue,
            };
            grants.0.insert(number, effect);
        }
        grants
    }

    /// Mostly what the shape says of the place, sometimes anything.
    fn body(&mut self, said: &Said, way: &mut Way) -> Node {
        let keys = said.subjects.iter().map(|(_, key)| key);
        let paths: Vec<_> = said
            .places
            .iter()
            .map(|(path, _)| path)
            .chain(keys)
            .collect();
        let next = paths
            .iter()
            .find_map(|path| path.strip_prefix(way.as_slice())?.first());
        let is_key = said.subjects.iter().any(|(_, key)| key == way);
        let kind = match next {
            _ if is_key && self.roll(8) > 0 => 4,
            Some(&"[*]") if self.roll(8) > 0 => 2,
            Some(_) if self.roll(8) > 0 => 3,
            _ if way.len() > 6 => self.roll(2),
            _ => self.roll(4),
        };
        match kind {
            0 | 1 => self.scalar(),
            2 => {
                way.push("[*]");
                let elements = (0..self.roll(4)).map(|_| self.body(said, way)).collect();
                way.pop();
                self.list(elements)
            }
            3 => self.object(said, way),
            _ => self.key(),
        }
    }

    fn object(&mut self, said: &Said, way: &mut Way) -> Node {
        let paths: Vec<_> = said
            .subjects
            .iter()
            .map(|(_, key)| key)
            .chain(said.places.iter().map(|(path, _)| path))
            .collect();
        let known = |name: &&str| {
            paths.iter().any(|path| {
                path.strip_prefix(way.as_slice())
                    .is_some_and(|rest| rest.first() == Some(name))
            })
        };
        let (mut likely, mut others): (Vec<_>, Vec<_>) =
            NAMES.into_iter().chain(UNKNOWN).partition(known);
        likely.retain(|_| self.roll(5) > 0);
        for _ in 0..self.roll(3) {
            likely.extend(others.pop());
        }
        let mut members = Vec::new();
        while !likely.is_empty() {
            let name = likely.remove(self.roll(likely.len() as u8) as usize);
            way.push(name);
            let value = self.body(said, way);
            way.pop();
            members.push((name.to_owned(), self.spelled(name), value));
        }
        let inner = members.iter().map(|(_, raw, value)| {
            format!(
                "{}\"{raw}\"{}:{}{}",
                self.space(),
                self.space(),
                self.space(),
                value.raw
            )
        });
        let inner: Vec<_> = inner.collect();
        Node {
            raw: format!("{{{}{}}}", inner.join(","), self.space()),
            kind: Kind::Object(members),
        }
    }

    fn list(&mut self, elements: Vec<Node>) -> Node {
        let inner = elements
            .iter()
            .map(|element| format!("{}{}{}", self.space(), element.raw, self.space()));
        let inner: Vec<_> = inner.collect();
        Node {
            raw: format!("[{}]", inner.join(",")),
            kind: Kind::List(elements),
        }
    }

    fn key(&mut self) -> Node {
        let text = self.pick(&["1", "22", "333", "\"4\"", "\"\\u0055U\"", "\"666\""]);
        Node {
            raw: text.to_owned(),
            kind: Kind::Scalar(Some(text.trim_matches('"').replace("\\u0055", "U")), true),
        }
    }

    fn scalar(&mut self) -> Node {
        self.texts += 1;
        let number = self.texts;
        let scalar = |raw: &str, text: Option<&str>, is_key| Node {
            raw: raw.to_owned(),
            kind: Kind::Scalar(text.map(str::to_owned), is_key),
        };
        match self.roll(10) {
            0 => Node {
                raw: "null".to_owned(),
                kind: Kind::Null,
            },
            1 => scalar("false", Some("false"), false),
            2 => scalar(
                &format!("-{number}.50E+3"),
                Some(&format!("-{number}.50E+3")),
                false,
            ),
            3 => scalar(
                &format!("{number}123456789012345678901234567890"),
                Some(&format!("{number}123456789012345678901234567890")),
                false,
            ),
            4 => scalar(&number.to_string(), Some(&number.to_string()), true),
            5 => scalar(&format!("\"\\ud800m{number}m\""), None, true),
            6 => scalar("\"\"", Some(""), true),
            7 => scalar(
                &format!("\"\\u006d{number}m\\n{{\\\"\""),
                Some(&format!("m{number}m\n{{\"")),
                true,
            ),
            _ => scalar(
                &format!("\"m{number}m é😀 [,]\""),
                Some(&format!("m{number}m é😀 [,]")),
                true,
            ),
        }
    }

    fn spelled(&mut self, name: &str) -> String {
        let escape = self.roll(4) == 3;
        name.chars()
            .map(|c| {
                if escape && self.roll(2) == 0 {
                    format!("\\u{:04X}", c as u32)
                } else {
                    c.to_string()
                }
            })
            .collect()
    }

    fn space(&mut self) -> &'static str {
        self.pick(&["", "", "", " ", "\n\t", "\r\n  "])
    }
}

fn path(way: &Way) -> String {
    let mut path = "$".to_owned();
    for step in way {
        match *step {
            "[*]" => path.push_str("[*]"),
            "*" => path.push_str(".*"),
            name => path.push_str(&format!("['{name}']")),
        }
    }
    path
}

fn built(said: &Said, form: BodyForm) -> Result<BodyShape, ()> {
    let places = said
        .places
        .iter()
        .map(|(way, place_use)| (path(way), place_use.clone()));
    let subjects = said
        .subjects
        .iter()
        .map(|(way, key)| (path(way), PlaceUse::Subject { key: path(key) }));
    let named: Vec<_> = places.chain(subjects).collect();
    BodyShape::build(
        form,
        named
            .iter()
            .map(|(path, place_use)| (path.as_str(), place_use.clone())),
    )
    .map_err(|_| ())
}

fn cut<'a>(body: &'a [u8], at: &[usize]) -> Vec<&'a [u8]> {
    let mut cuts: Vec<_> = at
        .iter()
        .map(|at| at % (body.len() + 1))
        .chain([0, body.len()])
        .collect();
    cuts.sort_unstable();
    cuts.windows(2)
        .map(|pair| &body[pair[0]..pair[1]])
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_filter_says_what_the_model_says(
        rolls in prop::collection::vec(any::<u8>(), 0..600),
        cuts in prop::collection::vec(any::<usize>(), 0..8),
        window in 1..4usize,
        window_bytes in 0..600usize,
        every in 1..40usize,
    ) {
        let mut dice = Dice { rolls: &rolls, texts: 0 };
        let said = dice.said();
        prop_assume!(!said.places.is_empty());
        let grants = [dice.granted(), dice.granted(), dice.granted()];
        let body = dice.body(&said, &mut Vec::new());
        let permits = |key: &str| grants.get(key.len());
        let expected = Model { said: &said, permits: &permits }.filter(&body, &grants[0]);

        let shape = Arc::new(built(&said, BodyForm::Json).unwrap());
        let text = format!("{}{}{}", dice.space(), body.raw, dice.space());
        let of = |chunks: Vec<&[u8]>, every: usize| {
            let limits = Limits { window, window_bytes, ..Limits::default() };
            let filtered = run_answering(filter(&shape, &grants[0], limits), chunks, &permits, every);
            filtered.ok().map(|(out, counts)| (String::from_utf8(out).unwrap(), counts))
        };
        let whole = of(vec![text.as_bytes()], usize::MAX);
        prop_assert_eq!(whole.as_ref().map(|(out, _)| out), expected.as_ref(), "{} of {}", text, said.places.len());
        prop_assert_eq!(&of(text.as_bytes().chunks(1).collect(), every), &whole);
        prop_assert_eq!(&of(cut(text.as_bytes(), &cuts), usize::MAX), &whole);
        if let Some((out, _)) = whole
            && !out.contains("\\ud800")
        {
            prop_assert!(serde_json::from_str::<serde_json::Value>(&out).is_ok(), "{}", out);
        }
    }

    #[test]
    fn lines_are_filtered_as_bodies_of_their_own(
        rolls in prop::collection::vec(any::<u8>(), 0..600),
        cuts in prop::collection::vec(any::<usize>(), 0..8),
    ) {
        let mut dice = Dice { rolls: &rolls, texts: 0 };
        let said = dice.said();
        prop_assume!(!said.places.is_empty());
        let grants = [dice.granted(), dice.granted()];
        let permits = |key: &str| grants.get(key.len());
        let (mut lines, mut expected) = (String::new(), String::new());
        for _ in 0..dice.roll(5) {
            let body = dice.body(&said, &mut Vec::new());
            if body.raw.contains('\n') {
                continue;
            }
            lines += &format!("{}\r\n", body.raw);
            let model = Model { said: &said, permits: &permits }.filter(&body, &grants[0]);
            expected.extend(model.map(|line| line + "\n"));
        }
        let shape = Arc::new(built(&said, BodyForm::Lines).unwrap());
        let filtered = run(filter(&shape, &grants[0], Limits::default()), cut(lines.as_bytes(), &cuts), &permits);
        let (out, _) = filtered.unwrap();
        prop_assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    /// A body that is cut short or changed anywhere is refused, or it is JSON all the same: the scanner takes what serde_json takes.
    #[test]
    fn what_serde_json_refuses_is_refused(
        rolls in prop::collection::vec(any::<u8>(), 0..300),
        at in any::<usize>(),
        byte in prop::sample::select(&b"\"\\{}[],:0-1.eEtn \n\x00\xc3\xa9\xff"[..]),
        edit in 0..3,
    ) {
        let mut dice = Dice { rolls: &rolls, texts: 0 };
        let said = dice.said();
        prop_assume!(!said.places.is_empty());
        let grants = dice.granted();
        let mut text = dice.body(&said, &mut Vec::new()).raw.replace("\\ud800", "").into_bytes();
        let at = at % text.len();
        match edit {
            0 => text.truncate(at),
            1 => text[at] = byte,
            _ => text.insert(at, byte),
        }
        let shape = Arc::new(built(&said, BodyForm::Json).unwrap());
        let filtered = run(filter(&shape, &grants, Limits::default()), [&text], &|_| Some(&grants));
        if serde_json::from_slice::<serde::de::IgnoredAny>(&text).is_err() {
            prop_assert!(filtered.is_err(), "{}", String::from_utf8_lossy(&text));
        } else if let Err(refused) = filtered {
            let is_json = matches!(
                refused.fault,
                Fault::Misshapen | Fault::SubjectWithheld | Fault::Duplicate { .. } | Fault::NameUnreadable
            );
            // `IgnoredAny` doesn't look at the bytes of texts.
            prop_assert!(is_json || std::str::from_utf8(&text).is_err(), "{}: {}", refused, String::from_utf8_lossy(&text));
        }
    }
}
