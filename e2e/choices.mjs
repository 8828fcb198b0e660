// The page script on a shop's pages, and the choices in the Privacy Center: signals, tags, equal weight, keyboard, faults.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { faults, isTooWide } from "./look.mjs";
import { openShop } from "./shop.mjs";

const FACES = [
  { name: "desktop", width: 1280, height: 900, colorScheme: "light" },
  { name: "phone", width: 375, height: 760, colorScheme: "light" },
  { name: "narrow", width: 320, height: 640, colorScheme: "dark" },
];
const GPC = () => Object.defineProperty(Navigator.prototype, "globalPrivacyControl", { get: () => true });

export async function choose(browser, program, folder, shots, check) {
  const shop = await openShop(folder, program);
  const walk = new Walk(browser, shop, shots, check);
  try {
    for (const step of [
      "asksOnlyWhatThePageUses", "looksGood", "closingIsNoChoice", "keyboardAlone", "aNoHoldsAndAYesIsConfirmed", "aSignalNeedsNoNumber",
      "aSignalTakesAnEarlierYesBack", "nothingRunsWithoutThePrivacyCenter", "tagsAreTold", "strangersGetNothing", "strictPages", "pagesOfTheCenter", "aGuardianSaysYes",
    ]) {
      await walk.guarded(step);
    }
  } finally {
    await shop.close();
  }
}

class Walk {
  constructor(browser, shop, shots, check) {
    Object.assign(this, { browser, shop, shots, check });
  }

  /** One step in a browser of its own; a step that breaks off is one failure and the others go on. */
  async guarded(step) {
    this.contexts = [];
    try {
      await this[step]();
    } catch (error) {
      this.check(`${step} goes on to its end`, [String(error.stack ?? error).split("\n").slice(0, 3).join(" ")]);
    }
    for (const context of this.contexts) await context.close();
  }

  /** A page of a new browser. */
  async open(options = {}, path = "/") {
    const { signal, url = this.shop.url, ...rest } = options;
    const headers = signal ? { extraHTTPHeaders: { "sec-gpc": "1" } } : {};
    const context = await this.browser.newContext({ viewport: { width: 1280, height: 900 }, reducedMotion: "reduce", ...headers, ...rest });
    this.contexts.push(context);
    if (signal) await context.addInitScript(GPC);
    const page = await context.newPage();
    page.on("pageerror", (error) => this.check("no script fails", [String(error)]));
    await page.goto(url + path);
    return page;
  }

  says(name, holds, found) {
    this.check(name, holds ? [] : [`found: ${JSON.stringify(found)}`]);
  }

  async picture(page, name, whole = false) {
    if (!this.shots) return;
    mkdirSync(this.shots, { recursive: true });
    await page.screenshot({ path: join(this.shots, `choices-${name}.png`), fullPage: whole });
  }

  async asksOnlyWhatThePageUses() {
    const page = await this.open();
    await banner(page);
    const asked = await page.locator("dialog h3").allTextContents();
    this.says("the banner asks about what the page would use, and nothing else", asked.join() === "Recipes and products picked for you", asked);
    await ran(page, "broker");
    this.says("what needs no consent runs, what needs it waits", (await tags(page)).join() === "broker", await tags(page));
    const map = await page.locator("iframe[data-purpose]").getAttribute("src");
    this.says("a frame waits too", map === null, map);
    const cookies = await page.context().cookies();
    this.says("nothing is stored before a choice", cookies.length === 0, cookies);
    const standing = await page.evaluate(() => [privity.standing("personalisation"), privity.standing("sale_to_brokers", "sweet_leads"), privity.standing("nonsense")]);
    this.says("the page can ask where things stand", standing.map((one) => one.reason).join() === "no_consent,not_opted_out,unknown", standing);
    const link = page.locator("a[data-privity-choices]");
    this.says("the link has the opt-out icon", (await link.locator("svg").count()) === 1, await link.innerHTML());
  }

  async looksGood() {
    for (const face of FACES) {
      for (const [name, path] of [["shop", "/"], ["tienda", "/tienda.html"]]) {
        const { name: size, width, height, colorScheme } = face;
        const page = await this.open({ viewport: { width, height }, colorScheme, bypassCSP: true }, path);
        await banner(page);
        await this.picture(page, `${name}-banner-${size}`);
        this.check(`the banner of ${name} has no accessibility fault (${size})`, await faults(page));
        this.check(`the banner of ${name} fits the screen (${size})`, await tooWide(page));
        this.check(`yes and no weigh the same on the banner of ${name} (${size})`, await unequal(page));
        await page.evaluate(() => privity.show());
        await page.locator("dialog:modal").waitFor();
        await this.picture(page, `${name}-dialog-${size}`);
        this.check(`the dialogue of ${name} has no accessibility fault (${size})`, await faults(page));
        this.check(`the dialogue of ${name} fits the screen (${size})`, await tooWide(page));
        this.check(`yes and no weigh the same in the dialogue of ${name} (${size})`, await unequal(page));
        const pressed = await page.locator("dialog [aria-pressed=true]").count();
        this.says(`nothing is chosen already on ${name} (${size})`, pressed === 0, pressed);
      }
    }
    const page = await this.open({}, "/tienda.html");
    await banner(page);
    const text = await page.locator("dialog").textContent();
    this.says("a Spanish page asks in Spanish", text.includes("Sus opciones de privacidad") && text.includes("¿Podemos escribirle?"), text.slice(0, 200));
    this.says("under a law of consent nothing runs before a yes", (await tags(page)).length === 0, await tags(page));
    const added = await page.locator("a[data-privity-choices]").count();
    this.says("a page that forgot the link gets one", added === 1, added);
  }

  async closingIsNoChoice() {
    const page = await this.open();
    await banner(page);
    await page.keyboard.press("Escape");
    this.says("Escape closes the banner", (await page.locator("dialog[open]").count()) === 0, "it is open");
    this.says("closing is no choice", (await page.context().cookies()).length === 0 && !(await tags(page)).includes("recipes"), await tags(page));
    await page.reload();
    await ran(page, "broker");
    this.says("who closed it is left alone", (await page.locator("dialog[open]").count()) === 0, "it came back");
    await page.locator("a[data-privity-choices]").click();
    const said = await page.locator("dialog:modal").textContent();
    this.says("nothing was said", said.includes("not used, until you say yes"), said.slice(0, 300));
  }

  async keyboardAlone() {
    const page = await this.open();
    await banner(page);
    const focused = await page.evaluate(() => document.activeElement.localName);
    this.says("the banner takes no focus away", focused === "body", focused);
    let presses = 0;
    while ((await inDialog(page)) !== "yes-personalisation" && presses < 20) {
      await page.keyboard.press("Tab");
      presses += 1;
    }
    this.says("a yes is reached by keyboard", presses < 6, presses);
    await page.keyboard.press("Enter");
    await ran(page, "recipes");
    const names = await tags(page);
    this.says("a tag runs after the yes, and so does one that waits for two", names.includes("recipes") && names.includes("both"), names);
    this.says("what no purpose is named runs never", !names.includes("unknown"), names);
    const map = await page.locator("iframe[data-purpose]").getAttribute("src");
    this.says("a frame is loaded after the yes", map === "/map.html", map);
    this.says("the banner goes by itself", (await page.locator("dialog[open]").count()) === 0, "it is open");
    const cookie = (await page.context().cookies())[0];
    this.says("the cookie is a random number that other sites don't get", /^[0-9a-f]{32}$/.test(cookie?.value) && cookie.sameSite === "Lax", cookie);
    await page.reload();
    await ran(page, "recipes");
    this.says("a yes is remembered", (await page.locator("dialog[open]").count()) === 0, "it asks again");
    await page.locator("a[data-privity-choices]").focus();
    await page.keyboard.press("Enter");
    await page.locator("dialog:modal").waitFor();
    await page.keyboard.press("Tab");
    await page.keyboard.press("Shift+Tab");
    this.says("the dialogue keeps the focus", (await inDialog(page)) !== null, await inDialog(page));
    await page.locator("dialog #no-personalisation").focus();
    await page.keyboard.press("Enter");
    await page.locator("dialog", { hasText: "because you took your yes back" }).waitFor();
    const text = await page.locator("dialog").textContent();
    this.says("what runs already is said to run until the page is loaded again", text.includes("stops when you load it again"), text.slice(-300));
    this.says("the focus stays on what was pressed", (await inDialog(page)) === "no-personalisation", await inDialog(page));
    await page.keyboard.press("Escape");
    await page.reload();
    await ran(page, "broker");
    this.says("a yes is taken back by one press", !(await tags(page)).includes("recipes"), await tags(page));
    this.says("after a no nobody is asked again", (await page.locator("dialog[open]").count()) === 0, "it asks again");
  }

  async aNoHoldsAndAYesIsConfirmed() {
    const page = await this.open();
    await ran(page, "broker");
    await page.evaluate(() => privity.show());
    await page.locator("dialog #no-sale_to_brokers").click();
    await page.locator("dialog", { hasText: "because you opted out" }).waitFor();
    this.says("a no counts on this page at once", !(await page.evaluate(() => privity.standing("sale_to_brokers").allowed)), "it is allowed");
    await page.reload();
    await page.waitForFunction(() => privity.standing("sale_to_brokers").reason === "opted_out");
    this.says("a no holds on the next page", (await tags(page)).length === 0, await tags(page));
    await page.evaluate(() => privity.show());
    await page.locator("dialog #yes-sale_to_brokers").click();
    this.says("a yes after an opt-out is asked for twice", (await page.locator("dialog").textContent()).includes("Do you confirm it?"), "it is not");
    this.check("yes and no weigh the same when it is confirmed", await unequal(page));
    await this.picture(page, "confirm");
    await page.locator("dialog #yes-sale_to_brokers").click();
    await ran(page, "broker");
    this.says("then it counts", await page.evaluate(() => privity.standing("sale_to_brokers").reason) === "consented_again", await page.evaluate(() => privity.standing("sale_to_brokers")));
    await page.locator("dialog #no").click();
    await page.waitForFunction(() => ["sale_to_brokers", "marketing_email"].every((key) => ["withdrawn", "opted_out"].includes(privity.standing(key).reason)));
    this.says("one press says no to all", true);
  }

  async aSignalNeedsNoNumber() {
    const page = await this.open({ signal: true });
    await page.locator("[data-privity-signal]", { hasText: "Opt-Out Request Honored" }).waitFor();
    await page.waitForFunction(() => privity.standing("sale_to_brokers").reason === "signal");
    this.says("with a signal nothing is sold", !(await tags(page)).includes("broker"), await tags(page));
    const cookies = await page.context().cookies();
    this.says("who sends a signal gets no number", cookies.length === 1 && cookies[0].value === "signal", cookies);
    await this.picture(page, "signal");
    await page.evaluate(() => privity.show());
    await page.locator("dialog:modal").waitFor();
    await this.picture(page, "signal-dialog");
    this.says("the signal can't be clicked away", (await page.locator("dialog #yes-sale_to_brokers").count()) === 0, "there is a yes");
    const gpp = await ping(page);
    const part = gpp.parsedSections.usca;
    this.says("tags are told of the signal", part[0].SaleOptOut === 1 && part.at(-1).Gpc === true, part);
    const state = await page.context().storageState();
    const later = await this.open({ storageState: state });
    await later.waitForFunction(() => privity.standing("sale_to_brokers").reason !== "unknown");
    this.says("the opt-out outlasts the signal", (await later.evaluate(() => privity.standing("sale_to_brokers").reason)) === "signal" && !(await tags(later)).includes("broker"), await tags(later));
    await later.evaluate(() => privity.show());
    await later.locator("dialog #yes-personalisation").click();
    await ran(later, "recipes");
    await later.reload();
    await ran(later, "recipes");
    this.says("another choice does not lift it", !(await tags(later)).includes("broker"), await tags(later));
  }

  async aSignalTakesAnEarlierYesBack() {
    const page = await this.open();
    await ran(page, "broker");
    await page.evaluate(() => privity.show());
    for (let press = 0; press < 2; press += 1) await page.locator("dialog #yes-sale_to_brokers").click();
    await page.waitForFunction(() => privity.standing("sale_to_brokers").reason === "consented");
    const later = await this.open({ signal: true, storageState: await page.context().storageState() });
    await later.waitForFunction(() => privity.standing("sale_to_brokers").reason === "signal");
    this.says("a signal stops what was agreed to before", !(await tags(later)).includes("broker"), await tags(later));
    await later.evaluate(() => privity.show());
    const text = await later.locator("dialog:modal").textContent();
    this.says("and the page says so", text.includes("You said yes before"), text.slice(0, 400));
  }

  async nothingRunsWithoutThePrivacyCenter() {
    const page = await this.open();
    await ran(page, "broker");
    await page.evaluate(() => privity.show());
    await page.locator("dialog:modal").waitFor();
    // The script lies in the browser's cache, as it does for an hour on every visitor's.
    const script = await (await page.request.get(`${this.shop.center}/privity.js`)).text();
    await page.context().route(`${this.shop.center}/privity.js`, (route) => route.fulfill({ body: script, contentType: "text/javascript" }));
    await this.shop.privity.stop();
    await page.locator("dialog #no-sale_to_brokers").click();
    await page.locator("dialog", { hasText: "kept in this browser" }).waitFor();
    this.says("a no counts though nobody took it", !(await page.evaluate(() => privity.standing("sale_to_brokers").allowed)), "it is allowed");
    this.says("and the string is not relied on", (await ping(page)).signalStatus === "not ready", await ping(page));
    await this.picture(page, "unreachable");
    const asked = page.waitForEvent("requestfailed", isAsking);
    await page.reload();
    await asked;
    this.says("nothing runs while nobody can be asked", (await tags(page)).length === 0, await tags(page));
    await this.shop.privity.start();
    await page.waitForFunction(() => privity.standing("sale_to_brokers").reason === "opted_out", null, { timeout: 30000 });
    const unsaved = await page.evaluate(() => localStorage.privity_unsaved);
    this.says("the no arrives when it is back", unsaved === "[]", unsaved);
  }

  async tagsAreTold() {
    const page = await this.open({}, "/early.html");
    await page.waitForFunction(() => window.events.some(([name, data]) => name === "signalStatus" && data === "ready"));
    const events = await page.evaluate(() => window.events.map(([name]) => name));
    this.says("a listener of the stub hears, in the order of the specification", events[0] === "cmpStatus" && events.at(-1) === "signalStatus", events);
    this.says("a call before the script is answered", (await page.evaluate(() => window.answers)).early === null, await page.evaluate(() => window.answers));
    const pinged = await ping(page);
    this.says("the state's section is in force", pinged.applicableSections.join() === "8" && pinged.supportedAPIs.join() === "7:usnat,8:usca" && pinged.gppVersion === "1.1", pinged);
    const frame = page.frames().find((one) => one.url().endsWith("advertisement.html"));
    await frame.waitForFunction(() => document.title.startsWith("{") && JSON.parse(document.title).ping?.value.signalStatus === "ready" && JSON.parse(document.title).nonsense);
    const answers = JSON.parse(await frame.title());
    this.says("a frame of another origin is answered in the form in which it asked", answers.field.value === 2 && answers.field.text && !answers.ping.text, answers);
    this.says("what is no command is refused", answers.nonsense.success === false, answers.nonsense);
    const removed = await page.evaluate(() => new Promise((done) => {
      __gpp("addEventListener", (event) => event.eventName === "listenerRegistered" && __gpp("removeEventListener", (data) => done([data, event.listenerId]), event.listenerId));
    }));
    this.says("a listener is taken away again", removed[0] === true && removed[1] > 7, removed);
    await page.evaluate(() => privity.show());
    await page.locator("dialog #no-sale_to_brokers").click();
    await page.waitForFunction(() => privity.standing("sale_to_brokers").reason === "opted_out");
    const after = (await page.evaluate(() => window.events)).map(([name, data]) => `${name}=${data}`).join(" ");
    this.says("a change is told between not ready and ready", /signalStatus=not ready.*sectionChange=usca.*signalStatus=ready$/.test(after), after);
  }

  async strangersGetNothing() {
    const context = await this.browser.newContext();
    this.contexts.push(context);
    const page = await context.newPage();
    const asked = page.waitForEvent("requestfailed", isAsking);
    await page.goto(this.shop.stranger);
    await asked;
    this.says("on a page of somebody else nothing is answered and nothing runs", (await tags(page)).length === 0 && (await ping(page)).cmpStatus === "loading", await tags(page));
  }

  async strictPages() {
    const page = await this.open({ url: this.shop.strict });
    await banner(page);
    const size = await page.locator("dialog #yes-personalisation").boundingBox();
    this.says("a strict policy of content leaves the choices their looks", size.height >= 40, size);
    await page.locator("dialog #yes-personalisation").click();
    await ran(page, "recipes");
    this.says("and lets a tag with its nonce run", true);
  }

  async pagesOfTheCenter() {
    for (const face of FACES) {
      const { name: size, width, height, colorScheme } = face;
      const page = await this.open({ url: this.shop.center, viewport: { width, height }, colorScheme, bypassCSP: true, signal: size === "phone" }, "/choices");
      await this.picture(page, `page-${size}`, true);
      this.check(`the choices have no accessibility fault (${size})`, await faults(page));
      this.check(`the choices fit the screen (${size})`, await tooWide(page));
      const honoured = (await page.textContent("main")).includes("Opt-Out Request Honored");
      this.says(`the page says whether a signal was honoured (${size})`, honoured === (size === "phone"), honoured);
    }
    const page = await this.open({ url: this.shop.center, javaScriptEnabled: false }, "/choices");
    await page.click("#personalisation button:has-text('Yes')");
    this.says("a yes is one click without JavaScript", (await page.textContent("#personalisation h2")).includes("used") && (await page.textContent("#personalisation")).includes("because you said yes"), await page.textContent("#personalisation"));
    await page.click("#personalisation button:has-text('No')");
    this.says("and taken back by one", (await page.textContent("#personalisation")).includes("you took your yes back"), await page.textContent("#personalisation"));
    await page.click("text=Do not sell or share anything");
    this.says("everything is stopped by one click", (await page.textContent("#sale_to_brokers")).includes("you opted out"), await page.textContent("#sale_to_brokers"));
    await page.click("#sale_to_brokers button:has-text('Yes')");
    this.says("a yes to sales is confirmed", page.url().includes("confirm="), page.url());
    await this.picture(page, "page-confirm", true);
    await page.click("#sale_to_brokers button:has-text('Yes, I confirm')");
    this.says("and counts then", (await page.textContent("#sale_to_brokers")).includes("because you said yes"), await page.textContent("#sale_to_brokers"));
    await page.goto(`${this.shop.center}/choices?for=child`);
    this.says("for a child there is a no everywhere and no yes", (await page.locator("button:text-is('Yes')").count()) === 0 && (await page.locator("button:text-is('No')").count()) > 2, "a yes");
    await page.click("#crumb_club button:has-text('No')");
    this.says("how a guardian can say yes is told", (await page.textContent("main")).includes("in a call with our trained staff"), await page.textContent("main"));
    this.says("a guardian's no counts without proof", (await page.textContent("#crumb_club")).includes("you said no"), await page.textContent("#crumb_club"));
  }

  /** A child whose age the profile says, and her guardian, whom staff know to be one. */
  async aGuardianSaysYes() {
    const { call, center } = this.shop;
    const born = `${new Date().getFullYear() - 9}-01-01`;
    const record = { attributes: { customer_number: "77", email: "kid@example.com", birth_date: born } };
    await call("/profiles", { source: "shop", records: [record] });
    const child = { identifier: { email: "kid@example.com" } };
    const refused = await call("/guardians", { child, proof: "video" });
    this.says("a proof that is not enabled is refused", refused.body.code === "guardian_proof_not_enabled", refused);
    const confirmed = await call("/guardians", { child, proof: "call" });
    this.says("an operator confirms a guardian", confirmed.status === 201, confirmed.status);
    const path = confirmed.body.url.slice(center.length);
    for (const face of FACES) {
      const { name: size, width, height, colorScheme } = face;
      const page = await this.open({ url: center, viewport: { width, height }, colorScheme, bypassCSP: true }, path);
      await this.picture(page, `guardian-${size}`, true);
      this.check(`the guardian's page has no accessibility fault (${size})`, await faults(page));
      this.check(`the guardian's page fits the screen (${size})`, await tooWide(page));
    }
    const page = await this.open({ url: center, javaScriptEnabled: false }, path);
    const sale = () => page.textContent("#sale_to_brokers");
    this.says("below 13 nothing is sold before a guardian says yes", (await sale()).includes("Only a parent or guardian can say yes"), await sale());
    await page.click("#sale_to_brokers button:has-text('Yes')");
    await page.click("#sale_to_brokers button:has-text('Yes, I confirm')");
    this.says("a guardian's yes counts", (await sale()).includes("because you said yes"), await sale());
    await page.click("#sale_to_brokers button:has-text('No')");
    this.says("and is taken back by one click", (await sale()).includes("you took your yes back"), await sale());
    this.says("a guardian's browser is not the child's", (await page.context().cookies()).length === 0, await page.context().cookies());
  }
}

const isAsking = (request) => request.url().includes("/choices.json");
const banner = (page) => page.locator("dialog.banner[open]").waitFor();
const tags = (page) => page.evaluate(() => window.tags);
const ran = (page, name) => page.waitForFunction((tag) => window.tags.includes(tag), name);
const ping = (page) => page.evaluate(() => new Promise((done) => __gpp("ping", done)));
const inDialog = (page) => page.evaluate(() => document.activeElement.shadowRoot?.activeElement?.id ?? null);

async function tooWide(page) {
  const inside = await page.evaluate(() => {
    const dialog = [...document.querySelectorAll("body > div")].map((host) => host.shadowRoot?.querySelector("dialog")).find(Boolean);
    return dialog ? dialog.scrollWidth > dialog.clientWidth + 1 : false;
  });
  return [...((await isTooWide(page)) ? ["the page is wider than the screen"] : []), ...(inside ? ["the choices are wider than their frame"] : [])];
}

/** In what a yes and the no beside it differ: size, colours, letters. */
async function unequal(page) {
  return page.evaluate(() => {
    const root = [...document.querySelectorAll("body > div")].map((host) => host.shadowRoot).find(Boolean);
    const look = (button) => {
      const style = getComputedStyle(button);
      const { width, height } = button.getBoundingClientRect();
      return [Math.round(width), Math.round(height), style.color, style.backgroundColor, style.borderColor, style.fontSize, style.fontWeight, style.opacity].join(" ");
    };
    const pairs = [...root.querySelectorAll("button[id^=yes-]")].map((yes) => [yes, root.getElementById(yes.id.replace("yes-", "no-"))]);
    if (!pairs.length) return ["there is no yes"];
    return pairs
      .filter(([yes, no]) => yes.getAttribute("aria-pressed") === no.getAttribute("aria-pressed"))
      .filter(([yes, no]) => look(yes) !== look(no) || yes.getBoundingClientRect().height < 40)
      .map(([yes, no]) => `${yes.id}: ${look(yes)} and ${look(no)}`);
  });
}
