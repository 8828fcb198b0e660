//! Bodies one by one: what passes, what is withheld, what is refused.

use super::*;

const KEEP: Effect = Effect::Keep;

fn customer() -> Arc<BodyShape> {
    shape(
        BodyForm::Json,
        &[
            ("$.customer.email", attribute(2)),
            ("$.customer.name", attribute(1)),
            ("$.customer.card.number", attribute(4)),
            ("$.customer.card.expires", attribute(4)),
            ("$.customer.phones[*].number", attribute(3)),
            ("$.meta.*", PlaceUse::Passed),
            ("$.total", PlaceUse::Passed),
        ],
    )
}

fn customers() -> Arc<BodyShape> {
    shape(
        BodyForm::Json,
        &[
            ("$.customers[*]", subject("$.customers[*].account.id")),
            ("$.customers[*].email", attribute(2)),
            ("$.customers[*].name", attribute(1)),
            ("$.customers[*].links.*", PlaceUse::Passed),
            ("$.owner", attribute(1)),
            ("$.total", PlaceUse::Passed),
        ],
    )
}

#[test]
fn what_is_permitted_passes_byte_for_byte() {
    let body = r#" { "total" : 12345678901234567890123.50e+7, "customer": {"email": "m\u0061ya\/@example.org", "name": { "given": ["Maya" , null] } } } "#;
    let out = text(&customer(), &granted(&[(1, KEEP), (2, KEEP)]), body);
    assert_eq!(
        out,
        r#"{"total":12345678901234567890123.50e+7,"customer":{"email":"m\u0061ya\/@example.org","name":{ "given": ["Maya" , null] }}}"#
    );
}

#[test]
fn what_nobody_named_is_withheld_and_counted() {
    let body = br#"{"x":{"email":"a"},"customer":{"email":"a","ssn":"078-05-1120","Email":1,"email ":2},"meta":{"page":1,"next":{"x":[]}}}"#;
    let (out, counts) = filtered(&customer(), &granted(&[(2, KEEP)]), body, &nobody).unwrap();
    assert_eq!(
        out,
        r#"{"customer":{"email":"a"},"meta":{"page":1,"next":{"x":[]}}}"#
    );
    assert_eq!(counts.unknown_members, 4);
    assert_eq!(
        (counts.attributes[0].kept, counts.attributes[0].withheld),
        (1, 0)
    );
}

#[test]
fn each_effect_leaves_its_own_trace() {
    let shape = shape(
        BodyForm::Json,
        &[
            ("$.a", attribute(1)),
            ("$.b", attribute(2)),
            ("$.c", attribute(3)),
            ("$.d[*]", attribute(4)),
            ("$.e", attribute(5)),
        ],
    );
    let effects = granted(&[
        (1, Effect::Null),
        (2, Effect::Change(Change::Mask)),
        (3, Effect::Change(Change::Generalise)),
        (4, Effect::Change(Change::Token)),
    ]);
    let body =
        br#"{"a":"x","b":"a\u00e9\n","c":"sevenCh","d":["x",null,[1],12.50,"\ud800"],"e":"gone"}"#;
    let (out, counts) = filtered(&shape, &effects, body, &nobody).unwrap();
    assert_eq!(
        out,
        r#"{"a":null,"b":"Mask 2 \"3\"","d":["Token 4 \"1\"",null,"Token 4 \"5\""]}"#
    );
    let [a, b, c, d, e] = counts.attributes.try_into().unwrap();
    assert_eq!(
        (a.nulled, b.masked, c.generalised, c.withheld),
        (1, 1, 0, 1)
    );
    assert_eq!((d.tokenised, d.withheld, e.withheld), (3, 2, 1));
}

#[test]
fn an_object_of_which_nothing_may_be_seen_is_not_there() {
    let body = br#"{"customer":{"card":{"number":"4111","expires":"x"},"phones":[{"number":1},{"number":2}]}}"#;
    let (out, counts) = filtered(&customer(), &granted(&[(1, KEEP)]), body, &nobody).unwrap();
    assert_eq!(
        out, r#"{"customer":{}}"#,
        "no empty card, and no count of phones"
    );
    let withheld = |number| {
        counts
            .attributes
            .iter()
            .find(|one| one.attribute.0 == number)
            .unwrap()
            .withheld
    };
    assert_eq!((withheld(4), withheld(3)), (2, 2));
    assert_eq!(
        text(&customer(), &granted(&[]), r#"{"customer":null,"total":0}"#),
        r#"{"total":0}"#
    );
    let only_null = text(
        &customer(),
        &granted(&[(3, KEEP)]),
        r#"{"customer":{"card":null,"phones":null}}"#,
    );
    assert_eq!(only_null, r#"{"customer":{"phones":null}}"#);
}

#[test]
fn another_kind_of_value_than_the_shape_says_is_withheld() {
    let body = br#"{"customer":"maya@example.org","total":1}"#;
    let (out, counts) = filtered(&customer(), &granted(&[(1, KEEP)]), body, &nobody).unwrap();
    assert_eq!((out.as_str(), counts.misshapen), (r#"{"total":1}"#, 1));
    let (out, _) = filtered(
        &customer(),
        &granted(&[(3, KEEP)]),
        br#"{"customer":{"phones":{"number":1}}}"#,
        &nobody,
    )
    .unwrap();
    assert_eq!(out, r#"{"customer":{}}"#);
    assert_eq!(fault(&customer(), &granted(&[]), b"[]"), Fault::Misshapen);
    assert_eq!(
        fault(&customer(), &granted(&[]), b"\"maya\""),
        Fault::Misshapen
    );
}

#[test]
fn a_name_is_one_name_however_it_is_escaped() {
    let all = granted(&[(1, KEEP), (2, KEEP)]);
    let spelled = r#"{"customer":{"\u0065m\u0061il":"a"}}"#;
    assert_eq!(
        text(&customer(), &all, spelled),
        r#"{"customer":{"email":"a"}}"#
    );
    assert_eq!(
        text(
            &customer(),
            &granted(&[]),
            r#"{"customer":{"\u0065mail":"a"}}"#
        ),
        "{}"
    );
    let twice = Fault::Duplicate {
        path: "$.customer.email".to_owned(),
    };
    for body in [
        r#"{"customer":{"email":1,"email":2}}"#,
        r#"{"customer":{"email":1,"name":0,"\u0065mail":2}}"#,
    ] {
        assert_eq!(fault(&customer(), &all, body.as_bytes()), twice);
        assert_eq!(
            fault(&customer(), &granted(&[]), body.as_bytes()),
            twice,
            "whatever is allowed"
        );
    }
    assert_eq!(
        fault(&customer(), &all, br#"{"customer":{"em\ud800ail":1}}"#),
        Fault::NameUnreadable
    );
}

#[test]
fn what_is_no_json_is_refused_wherever_it_stands() {
    let all = granted(&[(1, KEEP), (2, KEEP)]);
    let bad: [&[u8]; 43] = [
        b"NaN",
        b"-Infinity",
        b"01",
        b"-01",
        b"00",
        b"-.5",
        b"1.",
        b".5",
        b"+1",
        b"1e",
        b"1e+",
        b"-",
        b"0x10",
        b"- 1",
        b"tru",
        b"nulll",
        b"True",
        b"'a'",
        b"\"a",
        b"\"\x01\"",
        b"\"\n\"",
        b"\"\\x\"",
        b"\"\\u12g4\"",
        b"\"\xff\"",
        b"\"\xc0\x80\"",
        b"\"\xed\xa0\x80\"",
        b"\"\xf5\x80\x80\x80\"",
        b"\"\xe2\x82\"",
        b"[1,]",
        b"[,1]",
        b"[1 2]",
        b"[1}",
        b"{\"a\":1,}",
        b"{\"a\"}",
        b"{\"a\":}",
        b"{a:1}",
        b"{\"a\":1 \"b\":2}",
        b"{,}",
        b"{\"a\":1]",
        b"[",
        b"{",
        b"//",
        b"\xc2\xa01",
    ];
    for place in [
        "$.x",
        "$.customer.email",
        "$.customer.phones",
        "$.total",
        "$.meta.a",
    ] {
        let names: Vec<_> = place.split('.').skip(1).collect();
        let (open, close) = (names.len(), "}".repeat(names.len()));
        for value in bad {
            let mut body: Vec<u8> = names
                .iter()
                .take(open)
                .flat_map(|name| format!("{{\"{name}\":").into_bytes())
                .collect();
            body.extend_from_slice(value);
            body.extend_from_slice(close.as_bytes());
            assert!(serde_json::from_slice::<serde_json::Value>(&body).is_err());
            let refused = filtered(&customer(), &all, &body, &nobody);
            assert!(
                refused.is_err(),
                "{place}: {}",
                String::from_utf8_lossy(&body)
            );
        }
    }
}

#[test]
fn a_body_that_ends_early_or_goes_on_is_refused() {
    let all = granted(&[(1, KEEP), (2, KEEP)]);
    let body = br#"{"customer":{"email":"a\u00e9","x":[1,{"y":null}]},"total":-1.5e3}"#;
    for length in 0..body.len() {
        assert_eq!(
            fault(&customer(), &all, &body[..length]),
            Fault::Truncated,
            "{length}"
        );
    }
    for more in [&b"x"[..], b"{}", b" 1", b",", b"\0"] {
        assert_eq!(
            fault(&customer(), &all, &[&body[..], more].concat()),
            Fault::Trailing
        );
    }
    assert_eq!(
        fault(&customer(), &all, b"\xef\xbb\xbf{}"),
        Fault::ByteOrderMark
    );
}

#[test]
fn nesting_has_an_end() {
    let shape = customer();
    let deep = |lists: usize| format!("{{\"x\":{}{}}}", "[".repeat(lists), "]".repeat(lists));
    assert_eq!(text(&shape, &granted(&[]), &deep(127)), "{}");
    assert!(matches!(
        fault(&shape, &granted(&[]), deep(128).as_bytes()),
        Fault::TooDeep { .. }
    ));
    assert!(matches!(
        fault(&shape, &granted(&[]), "[".repeat(1_000_000).as_bytes()),
        Fault::Misshapen
    ));
    let endless = format!("{{\"x\":{}", "[".repeat(100_000));
    assert!(matches!(
        fault(&shape, &granted(&[]), endless.as_bytes()),
        Fault::TooDeep { .. }
    ));
}

#[test]
fn a_body_leaves_as_it_comes_in_bounded_memory() {
    let limits = Limits {
        hold_back: 0,
        ..Limits::default()
    };
    let mut filter = filter(&customer(), &granted(&[(2, KEEP)]), limits);
    let mut leave = |piece: &[u8]| {
        filter.push(piece).unwrap();
        filter.take().into_bytes().len()
    };
    let mut out = leave(b"{\"customer\":{\"x\":\"");
    for _ in 0..1_000 {
        out += leave(&[b'a'; 1_000]);
    }
    out += leave(b"\",\"email\":\"");
    for _ in 0..1_000 {
        assert_eq!(leave(&[b'a'; 1_000]), 1_000);
    }
    out += leave(b"\"}}");
    assert_eq!(out, br#"{"customer":{"email":""}}"#.len());
    assert!(filter.walk.outlet.out.capacity() < 100_000);
    filter.finish().unwrap();
}

#[test]
fn a_body_that_is_held_back_leaves_whole_or_not_at_all() {
    let permit = granted(&[(2, KEEP)]);
    let mut good = filter(&customer(), &permit, Limits::default());
    let half: &[u8] = br#"{"customer":{"email":"a"}"#;
    good.push(half).unwrap();
    assert!(good.take().is_empty() && !good.has_released());
    good.push(b"}").unwrap();
    assert!(good.finish().unwrap().0.as_bytes() == br#"{"customer":{"email":"a"}}"#);

    let mut bad = filter(&customer(), &permit, Limits::default());
    bad.push(half).unwrap();
    let refused = bad.push(b"]").unwrap_err();
    assert_eq!(refused.at, half.len() as u64);
    assert!(bad.take().is_empty() && !bad.has_released());
    assert_eq!(bad.push(b"}").unwrap_err(), refused, "it stays refused");
    assert_eq!(bad.finish().unwrap_err(), refused);
}

#[test]
fn each_subject_of_a_list_is_decided_for_herself() {
    let (all, email) = (granted(&[(1, KEEP), (2, KEEP)]), granted(&[(2, KEEP)]));
    let permits = |key: &str| match key {
        "C-1" => Some(&all),
        "77" => Some(&email),
        _ => None,
    };
    let body = br#"{"owner":"o","customers":[
        {"email":"e1","name":"n1","account":{"id":"C-\u0031"},"links":{"self":[1, 2],"id":0}},
        {"email":"e2","account":{"id":"C-2"},"name":"n2"},
        {"account":{"id":77},"name":"n3","email":"e3","x":[{}]},
        {"email":"e4","name":"n4"},
        {"account":{"id":null},"email":"e5"},
        "e6", null,
        {"account":{"id":1.0},"email":"e7"}
    ],"total":8}"#;
    let (out, counts) = filtered(&customers(), &granted(&[]), body, &permits).unwrap();
    assert_eq!(
        out,
        r#"{"customers":[{"email":"e1","name":"n1","links":{"self":[1, 2],"id":0}},{"email":"e3"},null],"total":8}"#
    );
    assert_eq!(
        (counts.subjects, counts.subjects_left_out, counts.misshapen),
        (2, 5, 1)
    );
    let email = counts
        .attributes
        .iter()
        .find(|one| one.attribute.0 == 2)
        .unwrap();
    assert_eq!(
        (email.kept, email.withheld),
        (2, 0),
        "who is left out is not counted by attribute"
    );
}

#[test]
fn a_window_of_subjects_is_asked_for_at_once() {
    let limits = Limits {
        window: 3,
        ..Limits::default()
    };
    let all = granted(&[(2, KEEP)]);
    let mut filter = filter(&customers(), &granted(&[]), limits);
    let element = |n: usize| format!("{{\"email\":\"e{n}\",\"account\":{{\"id\":{n}}}}}");
    let body = format!(
        "{{\"customers\":[{}],\"total\":5}}",
        (0..5).map(element).collect::<Vec<_>>().join(",")
    );
    let taken = filter.push(body.as_bytes()).unwrap();
    assert!(taken < body.len());
    let keys: Vec<_> = filter.needs().map(|key| key.expose().clone()).collect();
    assert_eq!(keys, ["0", "1", "2"]);
    assert_eq!(
        filter.push(&body.as_bytes()[taken..]).unwrap(),
        0,
        "nothing more is taken"
    );
    filter.answer_with(&[Some(&all), None, Some(&all)]).unwrap();
    assert_eq!(
        filter.push(&body.as_bytes()[taken..]).unwrap(),
        body.len() - taken
    );
    assert_eq!(filter.needs().len(), 2);
    let early = filter.answer_with(&[Some(&all)]).unwrap_err();
    assert_eq!(
        early.fault,
        Fault::Unanswered {
            needed: 2,
            given: 1
        }
    );
    assert!(filter.take().is_empty());
}

#[test]
fn nothing_ends_while_a_decision_is_awaited() {
    let mut filter = filter(&customers(), &granted(&[]), Limits::default());
    filter
        .push(br#"{"customers":[{"account":{"id":1}}]}"#)
        .unwrap();
    let refused = filter.finish().unwrap_err();
    assert_eq!(
        refused.fault,
        Fault::Unanswered {
            needed: 1,
            given: 0
        }
    );
}

#[test]
fn one_subject_takes_a_bounded_part_of_memory() {
    let all = granted(&[(1, KEEP), (2, KEEP)]);
    let limits = || Limits {
        element: 1_000,
        window_bytes: 2_000,
        ..Limits::default()
    };
    let permits = |_: &str| Some(&all);
    let of = |body: &str| {
        run(filter(&customers(), &all, limits()), [body], &permits)
            .map(|_| ())
            .map_err(|refused| refused.fault)
    };
    let with = |name: &str, value: &str| {
        format!(
            "{{\"customers\":[{{\"account\":{{\"id\":1}},\"{name}\":{value}}}],\"owner\":{value}}}"
        )
    };
    let long = format!("\"{}\"", "a".repeat(2_000));
    assert!(matches!(
        of(&with("email", &long)),
        Err(Fault::ElementTooLarge { most: 1_000, .. })
    ));
    assert_eq!(
        of(&with("unknown", &long)),
        Ok(()),
        "what is withheld takes none"
    );
    let pieces = format!("{{{}\"z\":1}}", "\"z\":1,".repeat(500));
    assert!(
        matches!(
            of(&with("links", &pieces)),
            Err(Fault::ElementTooLarge { .. })
        ),
        "many small things are large"
    );
}

#[test]
fn what_follows_a_waiting_subject_keeps_its_place() {
    let (owner, all) = (granted(&[(1, KEEP)]), granted(&[(2, KEEP)]));
    let limits = Limits {
        window_bytes: 1_000,
        hold_back: 0,
        ..Limits::default()
    };
    let long = "a".repeat(5_000);
    let body = format!(
        "{{\"customers\":[{{\"account\":{{\"id\":1}},\"email\":\"e\"}}],\"owner\":\"{long}\",\"total\":1}}"
    );
    let expected =
        format!("{{\"customers\":[{{\"email\":\"e\"}}],\"owner\":\"{long}\",\"total\":1}}");
    let masked = granted(&[(1, Effect::Change(Change::Mask))]);
    let said = r#"{"customers":[{"email":"e"}],"owner":"Mask 1 \"5000\"","total":1}"#;
    for size in [1, 7, 150, 4_000, 10_000] {
        let filter_masked = filter(&customers(), &masked, limits.clone());
        let (out, _) = run(filter_masked, body.as_bytes().chunks(size), &|_| Some(&all)).unwrap();
        assert!(out == said.as_bytes(), "in chunks of {size}");
        let filter = filter(&customers(), &owner, limits.clone());
        let (out, _) = run(filter, body.as_bytes().chunks(size), &|_| Some(&all)).unwrap();
        assert!(out == expected.as_bytes(), "in chunks of {size}");
    }
}

#[test]
fn a_body_about_one_subject_may_name_her_itself() {
    let shape = shape(
        BodyForm::Json,
        &[
            ("$", subject("$.id")),
            ("$.email", attribute(2)),
            ("$.id", attribute(9)),
        ],
    );
    let hers = granted(&[(2, KEEP)]);
    let body = br#"{"email":"e","id":"C-1"}"#;
    let (out, _) = filtered(&shape, &granted(&[]), body, &|_| Some(&hers)).unwrap();
    assert_eq!(out, r#"{"email":"e"}"#);
    assert_eq!(fault(&shape, &granted(&[]), body), Fault::SubjectWithheld);
    assert_eq!(
        fault(&shape, &granted(&[]), br#"{"email":"e"}"#),
        Fault::SubjectWithheld
    );
}

#[test]
fn each_line_is_a_subject_of_her_own() {
    let shape = shape(
        BodyForm::Lines,
        &[("$", subject("$.id")), ("$.email", attribute(2))],
    );
    let hers = granted(&[(2, KEEP)]);
    let permits = |key: &str| (key != "2").then_some(&hers);
    let body = b"{\"email\":\"e1\",\"id\":1}\n\n{\"id\":2,\"email\":\"e2\"}\r\n \"e3\"\n{\"id\":4,\"email\":[4, 4]}";
    let (out, counts) = filtered(&shape, &granted(&[]), body, &permits).unwrap();
    assert_eq!(out, "{\"email\":\"e1\"}\n{\"email\":[4, 4]}\n");
    assert_eq!((counts.subjects, counts.subjects_left_out), (2, 2));
    assert_eq!(filtered(&shape, &hers, b"", &permits).unwrap().0, "");
    for broken in [
        &b"{\"id\":1}{\"id\":1}"[..],
        b"{\"id\":\n1}",
        b"{\"id\":1,\"email\":[1,\n2]}\n",
        b"{}\n{",
        b"{}\nx",
    ] {
        assert!(filtered(&shape, &hers, broken, &permits).is_err());
    }
}

#[test]
fn lines_about_one_subject_need_no_key() {
    let shape = shape(
        BodyForm::Lines,
        &[("$.at", PlaceUse::Passed), ("$.email", attribute(2))],
    );
    let body = b"{\"at\":1,\"email\":\"a\"}\n{\"at\":2,\"email\":\"b\"}\n";
    let (out, _) = filtered(&shape, &granted(&[]), body, &nobody).unwrap();
    assert_eq!(out, "{\"at\":1}\n{\"at\":2}\n");
}

#[test]
fn a_value_that_has_to_be_read_is_bounded() {
    let shape = shape(BodyForm::Json, &[("$.a", attribute(1))]);
    let body = format!("{{\"a\":\"{}\"}}", "a".repeat(70_000));
    assert!(text(&shape, &granted(&[(1, KEEP)]), &body).len() > 70_000);
    let masked = granted(&[(1, Effect::Change(Change::Mask))]);
    assert!(matches!(
        fault(&shape, &masked, body.as_bytes()),
        Fault::ValueTooLong { .. }
    ));
}

#[test]
fn a_body_may_have_a_longest_length() {
    let limits = Limits {
        body: Some(10),
        ..Limits::default()
    };
    let shape = customer();
    let of = |body: &str| {
        run(
            filter(&shape, &granted(&[]), limits.clone()),
            [body],
            &nobody,
        )
        .is_ok()
    };
    assert!(of("{       } ") && !of("{       }  "));
}

#[test]
fn a_name_of_any_length_is_no_reason_to_keep_it() {
    let body = format!("{{\"{}\":1}}", "a".repeat(5_000));
    assert_eq!(
        fault(&customer(), &granted(&[]), body.as_bytes()),
        Fault::NameTooLong { most: 4096 }
    );
}

#[test]
fn a_refusal_names_places_and_never_values() {
    let body = br#"{"customer":{"email":"maya@example.org","email":"maya"}}"#;
    let message = fault(&customer(), &granted(&[]), body).to_string();
    assert!(message.contains("$.customer.email") && !message.contains("maya"));
}

fn written(
    shape: &Arc<BodyShape>,
    outer: &Granted,
    body: &str,
    permits: Permits<'_>,
) -> Result<(), Fault> {
    let mut check = check(shape, outer);
    let outcome = (|| {
        check.push(body.as_bytes())?;
        let grants: Vec<_> = check.needs().map(|key| permits(key.expose())).collect();
        check.walk.answer(&grants)?;
        check.finish()
    })();
    outcome.map_err(|refused: Refused| refused.fault)
}

#[test]
fn a_recipient_may_not_write_what_it_may_not_see() {
    let some = granted(&[(1, KEEP), (2, Effect::Change(Change::Mask))]);
    let refused = |body: &str| written(&customer(), &some, body, &nobody).unwrap_err();
    assert_eq!(
        written(
            &customer(),
            &some,
            r#"{"customer":{"name":"a"},"total":1}"#,
            &nobody
        ),
        Ok(())
    );
    assert!(
        matches!(
            refused(r#"{"customer":{"card":{}}}"#),
            Fault::NotWritable { .. }
        ),
        "what isn't there for it"
    );
    let email = refused(r#"{"customer":{"name":"a","\u0065mail":"b"}}"#);
    assert_eq!(
        email,
        Fault::NotWritable {
            attribute: AttributeNumber(2),
            path: "$.customer.email".to_owned(),
        }
    );
    assert!(
        matches!(
            refused(r#"{"customer":{"card":null}}"#),
            Fault::NotWritable { .. }
        ),
        "null erases"
    );
    assert!(
        matches!(
            refused(r#"{"customer":{"phones":[]}}"#),
            Fault::NotWritable { .. }
        ),
        "so does an empty list"
    );
    assert!(matches!(
        refused(r#"{"customer":{"EMAIL":"b"}}"#),
        Fault::UnknownMember { .. }
    ));
    assert!(matches!(
        refused(r#"{"customer":"b"}"#),
        Fault::MisshapenAt { .. }
    ));
    assert!(matches!(
        refused(r#"{"customer":{"name":1,"name":2}}"#),
        Fault::Duplicate { .. }
    ));
    assert_eq!(refused(r#"{"customer":{}"#), Fault::Truncated);
}

#[test]
fn each_subject_that_is_written_is_decided_for_herself() {
    let (name, email) = (granted(&[(1, KEEP)]), granted(&[(2, KEEP)]));
    let permits = |key: &str| match key {
        "1" => Some(&name),
        "2" => Some(&email),
        _ => None,
    };
    let of = |list: &str| {
        written(
            &customers(),
            &granted(&[]),
            &format!("{{\"customers\":[{list}]}}"),
            &permits,
        )
    };
    let (first, second) = (
        r#"{"account":{"id":1},"name":"n"}"#,
        r#"{"email":"e","account":{"id":2}}"#,
    );
    assert_eq!(of(&format!("{first},{second}")), Ok(()));
    assert!(matches!(
        of(r#"{"account":{"id":2},"name":"n"}"#),
        Err(Fault::NotWritable { .. })
    ));
    assert_eq!(of(r#"{"account":{"id":3}}"#), Err(Fault::SubjectWithheld));
    assert_eq!(of(r#"{"name":"n"}"#), Err(Fault::SubjectWithheld));
}
