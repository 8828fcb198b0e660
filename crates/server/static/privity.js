// Privity on a page of the business: it reads Global Privacy Control before any tag runs, holds tags back until they are permitted, offers
// choices in which a no is as easy as a yes, and answers `__gpp()`. Lines of comment and indentation are taken out before it is sent.
//
//   <script src="https://privacy.shop.example/privity.js" data-site="shop"></script>      first in the head, neither async nor defer
//   <script type="text/plain" data-purpose="measure_visits" src="https://..."></script>  runs only when the purpose is permitted
//   <iframe data-purpose="show_map" data-src="https://..."></iframe>                      is loaded only then
//   <a data-privity-choices></a>                                                         becomes the link to the choices
//
// It reads of its own tag: data-site (key of this site, else its host name), data-law (where the visitor is, if the page knows), data-lang,
// data-cookie-domain (to share the choices with other hosts of the business, such as the Privacy Center), data-ask (purposes to ask about
// though no tag on the page waits for them).
// The page may call `privity.standing(purpose, recipient)`, `show()`, `on(listener)`, `link(pseudonym)`: docs/guides/page-script.md.
(() => {
  "use strict";
  // INVARIANT: nothing runs before this line. A signal counts at once, and no server is asked whether it does (11 CCR 7025(b), (c)(1)).
  const signal = !!navigator.globalPrivacyControl;
  const tag = document.currentScript || document.querySelector('script[src*="/privity.js"]');
  if (window.privity || !tag) return;
  const center = new URL(tag.src).origin;
  const set = tag.dataset;
  const listeners = [];
  const ran = new Set();
  let answer, display, dismissed, retry = 0, turns = 0, timer, view, pseudonyms = [];

  // ---- what this browser remembers ----

  // Nothing is stored on a device before its owner chooses. A choice needs a random number to be kept under. A signal needs none: it comes
  // with every page, so the cookie only says that it was there, and nobody who asks to be left alone gets a number for it. The mark makes
  // the opt-out outlast the signal (Civ. Code 1798.100(c), 1798.135(c)(4)).
  const remembered = () => {
    const [, value = ""] = document.cookie.match(/(?:^|; )privity_device=([^;]*)/) || [];
    return { id: (value.match(/^[0-9a-f]{32}/) || [])[0], mark: /signal$/.test(value) };
  };
  const remember = (id, mark) => {
    document.cookie = `privity_device=${[id, mark && "signal"].filter(Boolean).join("-")}; Path=/; Max-Age=34560000; SameSite=Lax` +
      (set.cookieDomain ? `; Domain=${set.cookieDomain}` : "") + (location.protocol === "https:" ? "; Secure" : "");
  };
  const random = () => Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");

  // Choices that the Privacy Center has not confirmed, oldest first. They survive a closed tab and are sent again until it has.
  let unsaved = [];
  const load = () => {
    try { unsaved = JSON.parse(localStorage.privity_unsaved || "[]"); } catch {}
  };
  const save = () => {
    // Where nothing can be stored they last as long as the page.
    try { localStorage.privity_unsaved = JSON.stringify(unsaved); } catch {}
  };

  // ---- what is permitted ----

  const find = (key) => answer && answer.purposes.find((purpose) => purpose.key === key);
  const waiting = (key) => unsaved.find((choice) => choice.purpose === key);
  // A no counts before anybody confirms it, a yes only when it is recorded: whoever uses data on a consent must be able to prove it.
  const isPermitted = (key, recipient) => {
    const purpose = find(key);
    return !!purpose && purpose.allowed && !purpose.refused.includes(recipient) && !(waiting(key) && !waiting(key).yes);
  };

  const release = () => {
    for (const held of document.querySelectorAll("script[data-purpose][type='text/plain'],[data-purpose][data-src]")) {
      const keys = held.dataset.purpose.split(/\s+/).filter(Boolean);
      if (!keys.length || !keys.every((key) => isPermitted(key, held.dataset.recipient))) continue;
      keys.forEach((key) => ran.add(key));
      if (held.dataset.src) {
        held.src = held.dataset.src;
        held.removeAttribute("data-src");
        continue;
      }
      const script = document.createElement("script");
      for (const { name, value } of held.attributes) if (name !== "type") script.setAttribute(name === "data-type" ? "type" : name, value);
      script.async = held.async;
      script.nonce = held.nonce;
      script.text = held.text;
      held.replaceWith(script);
    }
  };

  // Nobody is asked about what this page would not use.
  const questions = () => answer.ask.map(find).filter(({ key }) => !waiting(key) &&
    ((set.ask || "").split(/\s+/).includes(key) || document.querySelector(`[data-purpose~="${CSS.escape(key)}"]`)));

  const consider = () => {
    try { dismissed ||= sessionStorage.privity; } catch {}
    if (answer && document.readyState !== "loading" && !dismissed && !(view && view.dialog.open) && questions().length) open(false);
  };

  // ---- the Privacy Center ----

  const ask = async () => {
    clearTimeout(timer);
    load();
    let { id, mark } = remembered();
    if (unsaved.length && !id) remember((id = random()), mark);
    const body = { site: set.site || location.hostname, lang: set.lang || document.documentElement.lang || navigator.language };
    if (set.law) body.law = set.law;
    if (signal) body.gpc = true;
    else if (mark) body.mark = true;
    const request = { credentials: "omit", signal: AbortSignal.timeout(10000) };
    let url = center + "/choices.json";
    if (id || pseudonyms.length) {
      // As plain text it needs no leave to be asked for first, and it still goes out when the page is closed.
      Object.assign(request, { method: "POST", keepalive: true, body: JSON.stringify({ ...body, device: id, pseudonyms, choices: unsaved }) });
    } else {
      // The same for everybody, so that it can come from a cache.
      url += "?" + new URLSearchParams(body);
    }
    let wait = Math.min(2 ** retry++, 60);
    // Of two answers the one to the later question counts: it was asked with everything that the earlier one carried.
    const turn = ++turns;
    try {
      const response = await fetch(url, request);
      const fresh = response.ok && await response.json();
      if (turn !== turns) return;
      if (fresh) return settle(fresh, id);
      // What it refuses it will refuse again; the next page tries anew.
      wait = response.status < 500 && response.status !== 429 ? 0 : +response.headers.get("retry-after") || wait;
    } catch {
      // Nobody there: nothing runs that has not been permitted.
    }
    if (turn !== turns) return;
    if (wait) timer = setTimeout(ask, wait * 1000);
    link();
    draw();
  };

  const settle = (fresh, id) => {
    const before = answer && answer.gpp.string;
    const first = !answer;
    answer = fresh;
    retry = 0;
    load();
    const sent = unsaved.length;
    unsaved = unsaved.filter((choice) => !answer.settled.includes(choice.id));
    save();
    // Kept from visit to visit, so that a no lasts. Once the Privacy Center has recorded the signal of this device, the mark has done its work.
    if (id || (answer.gpc && answer.sells)) remember(id, !id);
    release();
    link();
    changed(first, before);
    if (view && sent && !unsaved.length) view.status.textContent = answer.words.saved;
    draw();
    consider();
    listeners.forEach((listener) => listener());
  };

  const choose = (purpose, yes) => {
    load();
    unsaved = unsaved.filter((choice) => choice.purpose !== purpose.key);
    unsaved.push({ id: random(), purpose: purpose.key, yes, steps: yes && purpose.twice ? 2 : 1, shown: purpose.shown });
    save();
  };

  // ---- the link, and the sign that a signal was honoured (11 CCR 7015, 7025(c)(6)) ----

  const link = () => {
    if (document.readyState === "loading") return;
    if (answer && !document.querySelector("a[data-privity-choices]")) {
      const line = document.body.appendChild(make("nav", "", { ariaLabel: answer.link.text }));
      line.innerHTML = "<a data-privity-choices></a>";
    }
    for (const one of document.querySelectorAll("a[data-privity-choices]")) {
      if (answer && !one.privity) {
        one.privity = true;
        one.href = answer.link.href;
        one.innerHTML = answer.link.icon;
        one.append(answer.link.text);
        one.addEventListener("click", (event) => {
          event.preventDefault();
          open(true);
        });
      }
      let sign = one.nextElementSibling;
      if (!sign || !sign.matches("[data-privity-signal]")) {
        sign = make("span");
        sign.setAttribute("data-privity-signal", "");
        sign.setAttribute("role", "status");
        one.after(" ", sign);
      }
      const honoured = (answer ? answer.gpc && answer.sells && answer.words.honoured : signal && "Opt-Out Request Honored") || "";
      if (sign.textContent !== honoured) sign.textContent = honoured;
    }
  };

  // ---- the choices: no page's style reaches into them, and yes and no differ in nothing but their word (11 CCR 7004(a)) ----

  const STYLE = `
:host { all: initial !important }
* { box-sizing: border-box; font: inherit; color: inherit; margin: 0 }
dialog { font: medium/1.5 var(--privity-font, system-ui, sans-serif); color: #222; background: #fff; border: 1px solid #767676; border-radius: .75em; padding: 1em; margin: auto; overflow: auto; overflow-wrap: break-word; width: min(44em, 100vw - 1em); max-height: calc(100vh - 1em) }
.banner { position: fixed; inset: auto 0 .5em; max-height: 75vh; z-index: 2147483647; box-shadow: 0 0 2em #0006 }
dialog::backdrop { background: #0008 }
.top, .acts { display: flex; gap: .5em; justify-content: space-between }
h2 { font-size: 1.25em }
h2, h3, .bold, [role=status] { font-weight: 600 }
p, .acts { margin-top: .5em }
[role=group] { border-top: 1px solid #767676; padding-top: .75em; margin-top: .75em }
.soft { color: #555 }
.acts { flex-wrap: wrap; justify-content: start }
button { min-height: 2.75em; padding: .5em 1em; background: #fff; border: 2px solid var(--privity-accent, #1d5c50); border-radius: .5em; cursor: pointer; flex: 1 1 6em; max-width: 14em }
button:hover { text-decoration: underline }
[aria-pressed=true] { background: var(--privity-accent, #1d5c50); color: #fff }
.top button { flex: none; width: 2.75em; padding: 0; align-self: start }
a { text-decoration: underline; padding: .75em 0; display: inline-block }
:focus-visible { outline: 3px solid #06f; outline-offset: 2px }
.out { position: fixed; clip-path: inset(50%) }
@media (prefers-color-scheme: dark) {
dialog { color: #eee; background: #222 }
button { background: #222; border-color: var(--privity-accent-dark, #8ad3bf) }
[aria-pressed=true] { background: var(--privity-accent-dark, #8ad3bf); color: #111 }
.soft { color: #bbb }
:focus-visible { outline-color: #9cf }
}
@media (forced-colors: active) { [aria-pressed=true] { outline: 3px solid Highlight } }`;

  const make = (name, text = "", rest) => Object.assign(document.createElement(name), { textContent: text }, rest);

  const build = () => {
    const host = make("div");
    const root = host.attachShadow({ mode: "open" });
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(STYLE);
    root.adoptedStyleSheets = [sheet];
    const dialog = root.appendChild(make("dialog"));
    dialog.setAttribute("aria-labelledby", "title");
    const status = make("p");
    status.setAttribute("role", "status");
    view = { root, dialog, status };
    dialog.addEventListener("close", shown);
    document.addEventListener("keydown", (event) => event.key === "Escape" && dialog.open && !view.modal && later());
    // First on the page, so that whoever goes by keyboard or ear meets it first without having the focus taken away.
    document.body.prepend(host);
  };

  const open = (modal) => {
    if (!answer || document.readyState === "loading") return;
    if (!view) build();
    const { dialog, root, status } = view;
    if (dialog.open) dialog.close();
    view.modal = modal;
    status.textContent = view.asking = "";
    status.className = modal ? "" : "out";
    root.append(status);
    dialog.lang = answer.language;
    dialog.className = modal ? "" : "banner";
    draw(true);
    if (modal) dialog.showModal();
    else dialog.setAttribute("open", "");
    shown();
  };

  // Closing is no choice, and no choice is no consent (Civ. Code 1798.140(h)). A closed banner stays away until the browser's next session.
  const later = () => {
    dismissed = true;
    try { sessionStorage.privity = "later"; } catch {}
    view.dialog.close();
  };

  const draw = (always) => {
    if (!view || !(always || view.dialog.open)) return;
    const { dialog, root, modal, status } = view;
    const { words } = answer;
    const focused = root.activeElement && root.activeElement.id;
    const purposes = modal ? answer.purposes : questions();
    if (!purposes.length) return dialog.close();
    const top = make("div", "", { className: "top" });
    const cross = button("close", "✕", later);
    cross.setAttribute("aria-label", words.close);
    top.append(make("h2", words.title, { id: "title" }), cross);
    const parts = [top, make("p", words.lead)];
    if (modal) parts.push(status);
    if (answer.gpc && answer.sells) parts.push(make("p", words.signal));
    const stoppable = purposes.filter((purpose) => purpose.no);
    if (stoppable.length > 1) parts.push(acts(button("no", words.no_to_all, () => send(...stoppable.map((purpose) => [purpose, false])))));
    parts.push(...purposes.map(row));
    parts.push(make("a", words.more, { href: answer.link.href }));
    dialog.replaceChildren(...parts);
    const again = focused && root.getElementById(focused);
    if (again) again.focus();
  };

  const send = (...choices) => {
    choices.forEach(([purpose, yes]) => choose(purpose, yes));
    view.asking = view.status.textContent = "";
    ask();
    draw();
    changed();
  };

  const row = (purpose) => {
    const { key, title, text, who, notice, says, yes, no, twice } = purpose;
    const { words } = answer;
    const box = make("div");
    box.setAttribute("role", "group");
    box.setAttribute("aria-labelledby", "t-" + key);
    box.append(make("h3", title, { id: "t-" + key }), make("p", text));
    if (notice) box.append(make("p", notice.title, { className: "bold" }), make("p", notice.body));
    if (who) box.append(make("p", who, { className: "soft" }));
    const unsure = view.asking !== key;
    const choice = waiting(key);
    const chosen = choice ? choice.yes : purpose.chosen;
    const stands = choice ? (retry > 1 ? words.kept : "…") : says;
    box.append(make("p", unsure ? stands : words.sure, { className: unsure ? "soft" : "bold" }));
    if (ran.has(key) && !isPermitted(key)) box.append(make("p", words.reload));
    const first = () => {
      view.asking = key;
      draw();
    };
    const line = acts();
    if (no) line.append(button("no-" + key, words.no, () => send([purpose, false]), chosen === false));
    if (yes) line.append(button("yes-" + key, unsure ? words.yes : words.confirm, twice && unsure ? first : () => send([purpose, true]), chosen === true));
    if (no || yes) box.append(line);
    return box;
  };

  const acts = (...all) => {
    const line = make("div", "", { className: "acts" });
    line.append(...all);
    return line;
  };

  const button = (id, text, onclick, pressed) => {
    const made = make("button", text, { id, onclick });
    if (pressed !== undefined) made.setAttribute("aria-pressed", pressed);
    return made;
  };

  // ---- `__gpp()`: IAB Global Privacy Platform, CMP API 1.1 ----

  const stub = window.__gpp || {};
  const heard = stub.events || [];
  let lastId = stub.lastId || 0;
  // The string knows nothing of a no that has not been recorded: until it is, nobody may rely on the string.
  const isReady = () => !!answer && unsaved.every((choice) => choice.yes);
  const gpp = () => (answer ? answer.gpp : { string: "", ids: [], applicable: [], apis: [], sections: {} });
  const ping = () => ({
    gppVersion: "1.1",
    cmpStatus: answer ? "loaded" : "loading",
    cmpDisplayStatus: display || "hidden",
    signalStatus: isReady() ? "ready" : "not ready",
    supportedAPIs: gpp().apis,
    cmpId: 1,
    sectionList: gpp().ids,
    applicableSections: gpp().applicable,
    gppString: gpp().string,
    parsedSections: gpp().sections,
  });
  const tell = (eventName, data) => heard.forEach((one) => one.callback({ eventName, listenerId: one.id, data, pingData: ping() }, true));
  const shown = () => {
    const now = view.dialog.open ? "visible" : "hidden";
    if (now !== display) tell("cmpDisplayStatus", (display = now));
  };
  const changed = (first, before) => {
    if (first) tell("cmpStatus", "loaded");
    if (!first && !isReady()) tell("signalStatus", "not ready");
    if (before && before !== gpp().string) Object.keys(gpp().sections).forEach((name) => tell("sectionChange", name));
    if (isReady() && before !== gpp().string) tell("signalStatus", "ready");
  };
  const commands = {
    ping: (reply) => reply(ping(), true),
    addEventListener: (reply) => {
      heard.push({ id: ++lastId, callback: reply });
      reply({ eventName: "listenerRegistered", listenerId: lastId, data: true, pingData: ping() }, true);
    },
    removeEventListener: (reply, id) => {
      const at = heard.findIndex((one) => one.id === id);
      if (at >= 0) heard.splice(at, 1);
      reply(at >= 0, true);
    },
    hasSection: (reply, name) => reply(answer ? name in gpp().sections : null, true),
    getSection: (reply, name) => reply(gpp().sections[name] || null, true),
    getField: (reply, name) => {
      const [section, field] = String(name).split(".");
      const part = (gpp().sections[section] || []).find((one) => field in one);
      reply(part ? part[field] : null, true);
    },
  };
  window.__gpp = (command, reply, parameter) => {
    if (typeof reply !== "function") return;
    if (Object.hasOwn(commands, command)) commands[command](reply, parameter);
    else reply(null, false);
  };
  (stub.queue || []).forEach((call) => window.__gpp(...call));

  // Frames ask by message; they find the page that answers by a frame with a well-known name.
  addEventListener("message", ({ data, source }) => {
    const isText = typeof data === "string";
    let call;
    try { call = (isText ? JSON.parse(data) : data).__gppCall; } catch {}
    if (!call || !source) return;
    window.__gpp(call.command, (returnValue, success) => {
      const reply = { __gppReturn: { returnValue, success, callId: call.callId } };
      source.postMessage(isText ? JSON.stringify(reply) : reply, "*");
    }, call.parameter);
  });

  const ready = () => {
    if (!frames.__gppLocator) {
      const frame = make("iframe", "", { name: "__gppLocator", hidden: true, title: "" });
      document.body.append(frame);
    }
    const look = () => {
      release();
      consider();
    };
    link();
    look();
    new MutationObserver(look).observe(document, { childList: true, subtree: true });
  };

  // ---- for the page ----

  window.privity = Object.freeze({
    standing: (key, recipient) => ({ allowed: isPermitted(key, recipient), reason: (find(key) || {}).reason || "unknown" }),
    show: () => open(true),
    on: (listener) => {
      listeners.push(listener);
      if (answer) listener();
    },
    // The business's own pseudonym of this visitor: her noes reach its profile too (11 CCR 7025(c)(1)).
    link: (pseudonym) => {
      pseudonyms = [...new Set([...pseudonyms, String(pseudonym)])];
      ask();
    },
  });

  if (document.readyState !== "loading") ready();
  else document.addEventListener("DOMContentLoaded", ready);
  addEventListener("online", ask);
  // Said in another tab, or while this page lay in the browser's memory.
  addEventListener("storage", ({ key }) => key === "privity_unsaved" && ask());
  addEventListener("pageshow", ({ persisted }) => persisted && ask());
  ask();
})();
