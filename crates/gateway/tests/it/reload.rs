//! Routes change while calls come.

use gateway::{Outcome, Reloaded};

use crate::house::{CUSTOMER, House, MAYA};

#[tokio::test]
async fn changed_routes_are_in_force_and_counts_go_on() {
    let house = House::new(CUSTOMER, &[("1", &["email"])]).await;
    house.upstream.says(MAYA);
    assert_eq!(house.get("/customers/1").await.status, 200);
    let text = std::fs::read_to_string(house.routes_file()).unwrap();
    std::fs::write(
        house.routes_file(),
        text.replace("path: /customers/", "path: /clients/"),
    )
    .unwrap();
    // The server looks each second itself; whoever is first swaps them.
    assert!(matches!(
        house.gateway.reload(),
        Reloaded::Swapped(1) | Reloaded::Unchanged
    ));
    assert!(matches!(house.gateway.reload(), Reloaded::Unchanged));
    assert_eq!(house.get("/customers/1").await.status, 404);
    assert_eq!(house.get("/clients/1").await.status, 200);
    assert_eq!(house.count(Outcome::Served), 2);
}

#[tokio::test]
async fn a_bad_file_keeps_the_old_routes_and_says_what_is_wrong() {
    let house = House::new(CUSTOMER, &[("1", &["email"])]).await;
    house.upstream.says(MAYA);
    std::fs::write(
        house.dir.path().join("routes/other.yaml"),
        "routes:\n  broken:\n    path: customers\n    answer: { attributes: { $.a: emial } }\n",
    )
    .unwrap();
    if let Reloaded::Kept(findings) = house.gateway.reload() {
        let text = findings.to_string();
        assert!(
            text.contains("other.yaml:3:") && text.contains("begins with `/`"),
            "{text}"
        );
    }
    assert_eq!(house.get("/customers/1").await.status, 200);
    std::fs::remove_file(house.dir.path().join("routes/other.yaml")).unwrap();
    house.gateway.reload();
    assert_eq!(house.get("/customers/1").await.status, 200);
}
