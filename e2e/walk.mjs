// The way through the real pages of the demo: a subject opts out, asks, types wrong codes; a recipient looks; an operator signs in and decides.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { faults, isTooWide } from "./look.mjs";

export async function walk(browser, links, shots, check) {
  for (const face of [{ name: "desktop", width: 1280, height: 900 }, { name: "phone", width: 375, height: 760 }]) {
    const context = await browser.newContext({ viewport: { width: face.width, height: face.height }, bypassCSP: true, reducedMotion: "reduce" });
    const page = await context.newPage();
    const scripts = [];
    page.on("pageerror", (error) => scripts.push(String(error)));
    const look = lookingAt(page, face, shots, check);
    await asSubject(page, links, look, check, face);
    await asRecipient(page, links, look);
    await asOperator(page, links, look, check);
    check(`no script fails (${face.name})`, scripts);
    await context.close();
  }
  await withoutScript(browser, links, check);
}

function lookingAt(page, face, shots, check) {
  return async (name) => {
    check(`${name} has no accessibility fault (${face.name})`, await faults(page));
    check(`${name} fits the screen (${face.name})`, (await isTooWide(page)) ? ["it is wider than the screen"] : []);
    if (!shots) return;
    mkdirSync(shots, { recursive: true });
    await page.screenshot({ path: join(shots, `live-${name.replaceAll(" ", "_")}-${face.name}.png`), fullPage: true });
  };
}

async function asSubject(page, links, look, check, face) {
  const home = links["Privacy Center"];
  for (const [name, path] of [["home", ""], ["recipients", "recipients"], ["opt-out", "opt-out"], ["choices", "choices"], ["ask to know", "ask/know"], ["ask to be forgotten", "ask/delete"]]) {
    await page.goto(home + path);
    await look(name);
  }
  await page.goto(`${home}opt-out`);
  await page.fill("#email", `nobody-${face.name}@example.com`);
  await page.click("text=Stop selling and sharing my data");
  const done = await page.textContent("h1");
  check(`an opt-out is one click (${face.name})`, done.startsWith("Done.") ? [] : [`the page says: ${done}`]);
  await look("opted out");

  await page.goto(`${home}ask/delete`);
  await page.fill("#email", "this is <b>no</b> address");
  await page.click("button[type=submit]");
  check(`a wrong address is told beside the field (${face.name})`, (await page.getAttribute("#email", "aria-invalid")) === "true" ? [] : ["the field is not marked"]);
  await look("ask with an error");
  await page.fill("#email", `nobody-${face.name}@example.com`);
  await page.click("button[type=submit]");
  for (const attempt of [1, 2]) {
    await page.fill("#code", "000000");
    await page.click("text=Confirm that it is me");
    check(`a wrong code can be tried again, attempt ${attempt} (${face.name})`, (await page.locator("#code").count()) === 1 ? [] : ["there is no field for another try"]);
  }
  await look("tracker with a wrong code");
  await page.goto(`${home}requests/${"0".repeat(64)}`);
  const unknown = await page.textContent("main p.lead");
  await page.goto(`${home}requests/x`);
  check(`an unknown link and a broken one look the same (${face.name})`, unknown === (await page.textContent("main p.lead")) ? [] : ["they differ"]);
  await look("bad link");
  for (const name of ["Maya's copy", "Maya's opt-out", "Maya's deletion"]) {
    if (!links[name]) continue;
    await page.goto(links[name]);
    await look(name.replace("'", ""));
  }
  if (links["Maya's copy"]) await chooseAsSubject(page, links["Maya's copy"], look, check, face);
}

/** Whoever has typed the code chooses for all that is known about her. */
async function chooseAsSubject(page, tracker, look, check, face) {
  await page.goto(tracker);
  await page.click("text=Make your choices");
  check(`her page leads to her choices (${face.name})`, page.url().endsWith("/choices") ? [] : [page.url()]);
  await look("choices of a subject");
  await page.click("#personalisation button:has-text('No')");
  const said = await page.textContent("main");
  check(`a subject's choice is saved (${face.name})`, said.includes("Saved.") && said.includes("all that we know about you") ? [] : [said.slice(0, 300)]);
}

async function asRecipient(page, links, look) {
  if (!links["Paper Mill's page"]) return;
  await page.goto(links["Paper Mill's page"]);
  await look("recipients page");
}

async function asOperator(page, links, look, check) {
  await page.goto(links["Console"]);
  await look("sign-in");
  await page.fill("#key", "wrong");
  await page.click("button[type=submit]");
  check("a wrong key is refused in words", (await page.locator("[role=alert]").count()) === 1 ? [] : ["nothing is said"]);
  await page.fill("#key", links["the operator's key"]);
  await page.click("button[type=submit]");
  await look("console overview");
  await page.goto(`${links["Console"]}/requests?show=all`);
  await look("console list");
  await page.goto(`${links["Console"]}/identity`);
  await look("console who is who");
  await page.goto(links["the operator's view of it"]);
  await look("console request");
  await page.click("text=Show who asked");
  check("who asked is shown on demand", (await page.locator("#revealed").count()) === 1 ? [] : ["it is not shown"]);
  await page.goto(links["the operator's view of it"]);
  const notes = page.locator("#attachments ~ ul form button", { hasText: "Read" });
  if ((await notes.count()) > 0) {
    await notes.first().click();
    check("a note is read on demand", (await page.locator("#opened").count()) === 1 ? [] : ["it is not shown"]);
    await look("console note");
  }
  await findConsents(page, links, look, check);
  await lookAtPolicies(page, links, look, check);
  await lookAtDisclosures(page, links, look, check);
  await holdAndLift(page, links, look, check);
  await page.goto(links["Console"]);
  await page.click("text=/Sign out/");
  check("signing out ends the session", page.url().endsWith("/console/sign-in") ? [] : [page.url()]);
}

/** An operator looks for what somebody chose. */
async function findConsents(page, links, look, check) {
  await page.goto(`${links["Console"]}/consents`);
  await page.selectOption("#kind", "email");
  await page.fill("#value", "nobody-at-all@example.com");
  await page.click("main button[type=submit]");
  check("what is sought for stands in no address", page.url().includes("nobody") ? [page.url()] : []);
  check("of whoever never chose it is said what holds for everybody", (await page.textContent("main")).includes("Nothing was chosen") ? [] : ["it is not"]);
  await look("console consents");
}

/** An operator sees which policies decide, who gets what, and asks why, by keyboard where a mouse is not needed. */
async function lookAtPolicies(page, links, look, check) {
  await page.goto(`${links["Console"]}/policies`);
  check("a version of the policies decides", (await page.textContent("main")).includes("Version 1 decides") ? [] : ["none does"]);
  await look("console policies");
  await page.click("text=Who gets what");
  await look("console who gets what");
  await page.click("text=Somebody of whom this is known");
  await page.click("text=Show for these facts");
  const cell = page.locator("table.matrix summary").first();
  await cell.evaluate((summary) => { for (let at = summary.closest("details").parentElement; at; at = at.parentElement) if (at.tagName === "DETAILS") at.open = true; });
  await cell.focus();
  await page.keyboard.press("Enter");
  check("a cell tells its policy by keyboard", (await cell.evaluate((summary) => summary.parentElement.open)) ? [] : ["it stays shut"]);
  await look("console who gets what for facts");
  await page.locator("table.matrix a", { hasText: "Why" }).first().click();
  check("a cell leads to its reasons", (await page.textContent("main")).includes("She is told:") ? [] : ["it does not"]);
  await look("console why");
  await page.goto(`${links["Console"]}/policies/versions/1`);
  await look("console version of policies");
}

/** An operator looks who got what. */
async function lookAtDisclosures(page, links, look, check) {
  await page.goto(`${links["Console"]}/disclosures`);
  await page.selectOption("#kind", "email");
  await page.fill("#value", "nobody-at-all@example.com");
  await page.click("main button[type=submit]");
  check("of nobody it is said that nobody is known", (await page.locator("#value-error").count()) === 1 ? [] : ["nothing is said"]);
  await look("console disclosures");
  await page.goto(`${links["Console"]}/disclosures/recipients`);
  await look("console recipients");
  await page.goto(`${links["Console"]}/disclosures/minimisation`);
  await look("console minimisation");
}

/** An operator places a legal hold, forgetting something at first, sees it on the privacy request that it concerns, and lifts it. */
async function holdAndLift(page, links, look, check) {
  const name = `Recall ${Date.now()}`;
  await page.goto(links["the operator's view of it"]);
  await page.click("text=Hold data of this subject");
  const request = await page.inputValue("#request");
  check("the form knows whose data it is", request.startsWith("req_") ? [] : [`it says: ${request}`]);
  await page.fill("#name", name);
  await page.selectOption("#reason_code", "X8_legal_claims");
  await page.click("text=Place the hold");
  check("a hold of nothing is refused in words", (await page.locator("#covers .error").count()) === 1 ? [] : ["nothing is said"]);
  check("what was typed is still there", (await page.inputValue("#name")) === name ? [] : ["it is gone"]);
  await look("legal hold with an error");
  await page.fill("#request", "");
  await page.evaluate(() => document.querySelectorAll("#covers details").forEach((system) => (system.open = true)));
  for (const box of await page.locator("#covers input[type=checkbox]").all()) await box.check();
  await page.click("text=Place the hold");
  check("a hold is placed and listed", (await page.locator(".lines strong", { hasText: name }).count()) === 1 ? [] : [page.url()]);
  await look("legal holds");
  await page.goto(links["the operator's view of it"]);
  check("the privacy request says what is held", (await page.locator("#holds ~ ul strong", { hasText: name }).count()) === 1 ? [] : ["it says nothing"]);
  await look("console request with a hold");
  await page.goto(`${links["Console"]}/legal-holds`);
  const held = page.locator("li", { has: page.locator("strong", { hasText: name }) });
  await held.locator("summary").click();
  await held.locator("button").click();
  const said = await page.textContent("[role=status]");
  check("lifting says what happens to closed privacy requests", said.includes("asked for again") ? [] : [said]);
  check("a lifted hold can't be lifted again", (await held.locator("button").count()) === 0 ? [] : ["it has a button"]);
  await look("legal hold lifted");
}

/** Everything a subject needs works without JavaScript. */
async function withoutScript(browser, links, check) {
  const context = await browser.newContext({ javaScriptEnabled: false });
  const page = await context.newPage();
  await page.goto(`${links["Privacy Center"]}opt-out`);
  await page.fill("#email", "nobody@example.com");
  await page.click("text=Stop selling and sharing my data");
  check("an opt-out works without JavaScript", (await page.textContent("h1")).startsWith("Done.") ? [] : ["it does not"]);
  await context.close();
}
