//! Envoy asks whether a call may pass.

use crate::house::{CUSTOMER, House};

#[tokio::test]
async fn envoy_hears_which_attributes_the_application_may_show() {
    let routes = CUSTOMER.replace("    upstream: http://UPSTREAM/api/customers/{number}\n    authorization: { value: Bearer of-the-gateway }\n", "");
    let allowed: &[(&str, &[&str])] = &[("1", &["email", "first_name"]), ("2", &[])];
    let house = House::with(&routes, allowed, ", ext_authz: /ext_authz").await;
    let answer = house.get("/ext_authz/customers/1").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(
        answer.header("x-privity-attributes"),
        Some("email,first_name")
    );
    assert_eq!(answer.header("x-privity-recipient"), Some("carrier"));
    assert_eq!(answer.header("x-privity-purpose"), Some("fulfil_orders"));
    for path in [
        "/ext_authz/customers/2",
        "/ext_authz/customers/3",
        "/ext_authz/nowhere",
    ] {
        let answer = house.get(path).await;
        assert_eq!(answer.status, 404, "{path}");
        assert_eq!(answer.header("x-privity-attributes"), None);
    }
    assert_eq!(
        house.get("/ext_authz/customers/1?sort=name").await.status,
        403
    );
    // A route without an upstream answers nobody but Envoy.
    assert_eq!(house.get("/customers/1").await.status, 404);
}

#[tokio::test]
async fn envoy_is_not_asked_unless_the_settings_say_so() {
    let house = House::new(CUSTOMER, &[("1", &["email"])]).await;
    assert_eq!(house.get("/ext_authz/customers/1").await.status, 404);
}
