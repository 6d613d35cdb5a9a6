// Drives the system's Chromium by JSON lines (../doc.go describes them). The
// first argument is the browser's path: none is ever downloaded.
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";

const browser = await chromium.launch({
  executablePath: process.argv[2],
  args: [
    "--no-sandbox", // there is none in a container, and the pages are ours
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
  ],
});
const page = await browser.newPage({ viewport: { width: 900, height: 600 } });
// Longer than any wait here ought to take, and shorter than the test's own.
page.setDefaultTimeout(25_000);

const problems = [];
page.on("pageerror", (err) => problems.push(String(err)));

const orders = {
  // A request whose URL matches the pattern "without" is answered with 404.
  async open({ url, without }) {
    if (without) {
      await page.route(without, (route) => route.fulfill({ status: 404, body: "not here" }));
    }
    await page.goto(url);
  },
  // Waits until the element is visible and its text has "has" in it and is not
  // "not"; answers the text.
  async text({ selector, has = "", not = null }) {
    await page.waitForSelector(selector, { state: "visible" });
    try {
      await page.waitForFunction(
        ({ selector, has, not }) => {
          const text = document.querySelector(selector).textContent;
          return text.includes(has) && text !== not;
        },
        { selector, has, not },
      );
    } catch (err) {
      throw new Error(`${selector} stays ${JSON.stringify(await page.textContent(selector))}: ${err}`);
    }
    return page.textContent(selector);
  },
  // What scripts of the page threw.
  async problems() {
    return problems;
  },
  async click({ selector }) {
    await page.click(selector);
  },
  // Runs a script in the page, to its end if it is a promise.
  async run({ script }) {
    await page.evaluate(script);
  },
  // How large the window is, and whether its user likes it dark.
  async look({ width, height, dark = false }) {
    await page.setViewportSize({ width, height });
    await page.emulateMedia({ colorScheme: dark ? "dark" : "light" });
  },
  async screenshot({ path }) {
    await page.screenshot({ path, animations: "disabled" }); // as it looks when they have ended
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const order = JSON.parse(line);
  let answer;
  try {
    answer = { id: order.id, result: (await orders[order.do](order)) ?? null };
  } catch (err) {
    answer = { id: order.id, error: String(err) };
  }
  process.stdout.write(JSON.stringify(answer) + "\n");
}
await browser.close();
