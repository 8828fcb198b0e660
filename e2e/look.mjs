// Opens every sample page in Chromium at desktop and phone width, in light and dark: no accessibility fault, nothing wider than the screen,
// everything reachable by keyboard. Pictures go to the folder named in SHOTS.
import { readFileSync, readdirSync, mkdirSync } from "node:fs";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
const FACES = [
  { name: "desktop", width: 1280, height: 900, colorScheme: "light" },
  { name: "phone", width: 375, height: 760, colorScheme: "light" },
  { name: "narrow", width: 320, height: 640, colorScheme: "dark" },
];

/** What axe-core finds on a page, a line for each fault. */
export async function faults(page) {
  await page.evaluate(axe);
  const found = await page.evaluate((tags) => window.axe.run(document, { runOnly: { type: "tag", values: tags } }), TAGS);
  return found.violations.map((fault) => `${fault.id}: ${fault.help} at ${fault.nodes.map((node) => node.target.join(" ")).slice(0, 3).join(", ")}`);
}

/** Whether the page is wider than the screen. */
export async function isTooWide(page) {
  return page.evaluate(() => document.documentElement.scrollWidth > window.innerWidth + 1);
}

/** What can be pressed but is smaller than a finger (WCAG 2.2, 2.5.8 asks for 24 px; links within a sentence may be smaller). */
export async function tooSmall(page) {
  return page.evaluate(() =>
    [...document.querySelectorAll("button, .button, label.choice, input:not([type=radio]):not([type=checkbox]):not([type=hidden]), select, summary, .foot a, .top nav a")]
      .filter((thing) => thing.getClientRects().length > 0 && thing.getBoundingClientRect().height < 40)
      .map((thing) => `${thing.tagName} ${thing.textContent.trim().slice(0, 30)}`),
  );
}

export async function lookAtSamples(browser, folder, shots, check) {
  const names = readdirSync(folder).filter((name) => name.endsWith(".html"));
  for (const face of FACES) {
    const context = await browser.newContext({ viewport: { width: face.width, height: face.height }, colorScheme: face.colorScheme, reducedMotion: "reduce", bypassCSP: true });
    const page = await context.newPage();
    for (const name of names) {
      await page.goto(pathToFileURL(resolve(folder, name)).href);
      const title = `${name.replace(".html", "")} (${face.name})`;
      check(`${title} has no accessibility fault`, await faults(page));
      check(`${title} fits the screen`, (await isTooWide(page)) ? ["it is wider than the screen"] : []);
      check(`${title} has targets for fingers`, await tooSmall(page));
      if (shots) {
        mkdirSync(shots, { recursive: true });
        await page.screenshot({ path: join(shots, `${name.replace(".html", "")}-${face.name}.png`), fullPage: true });
      }
    }
    await context.close();
  }
}
