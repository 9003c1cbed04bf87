// The kit tests itself: a helper that sees nothing wrong anywhere would make every other test worthless.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { connect } from "node:net";
import test from "node:test";
import { startDns } from "../kit/dns.mjs";
import { startSmtp } from "../kit/smtp.mjs";
import { assertAccessible, assertNoSidewaysScroll, openBrowser } from "./lib/browser.mjs";

const GOOD = `<!doctype html><html lang="en"><head><title>Good</title></head><body><main><h1>Good</h1><p>Text</p></main></body></html>`;
const BAD = `<!doctype html><html><head><title>Bad</title></head><body><main><h1>Bad</h1><img src="data:,"><div style="width:3000px">wide</div></main></body></html>`;
const BROKEN = `<!doctype html><html lang="en"><title>Broken</title><script>throw new Error("on purpose")</script></html>`;

async function serve(pages) {
  const server = createServer((request, response) => {
    const page = pages[request.url];
    response.writeHead(page ? 200 : 204, { "content-type": "text/html" }).end(page);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { url: `http://127.0.0.1:${server.address().port}`, stop: () => server.close() };
}

test("the browser kit accepts a good page and refuses a bad one", async (t) => {
  const site = await serve({ "/good": GOOD, "/bad": BAD });
  t.after(site.stop);
  const browser = await openBrowser();
  t.after(() => browser.browser.close());
  const page = await browser.page({ width_px: 390 });
  await page.goto(`${site.url}/good`);
  await assertAccessible(page);
  await assertNoSidewaysScroll(page);
  await page.goto(`${site.url}/bad`);
  await assert.rejects(assertAccessible(page), /html-has-lang|image-alt/);
  await assert.rejects(assertNoSidewaysScroll(page), /div/);
});

test("a script error in any page fails the browser's end", async (t) => {
  const site = await serve({ "/broken": BROKEN });
  t.after(site.stop);
  const browser = await openBrowser();
  const page = await browser.page();
  await page.goto(`${site.url}/broken`);
  await assert.rejects(browser.stop(), /on purpose/);
});

test("the DNS server answers changes at once, and a failing zone is no missing record", async (t) => {
  const dns = await startDns(["northwind.test"]);
  t.after(dns.stop);
  const resolver = dns.resolver();
  const name = "_bailiwick.northwind.test";
  await assert.rejects(resolver.resolveTxt(name), { code: "ENOTFOUND" });
  await dns.set(name, "TXT", '"one"');
  assert.deepEqual(await resolver.resolveTxt(name), [["one"]]);
  await dns.set(name, "TXT", '"two"');
  assert.deepEqual(await resolver.resolveTxt(name), [["two"]]);
  await dns.fail("northwind.test");
  await assert.rejects(resolver.resolveTxt(name), { code: "ESERVFAIL" });
  await dns.recover("northwind.test");
  assert.deepEqual(await resolver.resolveTxt(name), [["two"]]);
  await dns.remove(name, "TXT");
  await assert.rejects(resolver.resolveTxt(name), { code: "ENOTFOUND" });
  await dns.addZone("fabrikam.test");
  await dns.set("www.fabrikam.test", "CNAME", "northwind.test.");
  assert.deepEqual(await resolver.resolveCname("www.fabrikam.test"), ["northwind.test"]);
});

test("the mail sink keeps what it accepts and refuses whom it is told to", async (t) => {
  const smtp = await startSmtp({ refuse: ["gone@northwind.test"] });
  t.after(smtp.stop);
  const words = ["HELO test", "MAIL FROM:<a@example.test>", "RCPT TO:<gone@northwind.test>", "RCPT TO:<ada@northwind.test>", "DATA"];
  const socket = connect(smtp.port, "127.0.0.1");
  let said = "";
  socket.on("data", (bytes) => (said += bytes));
  socket.write(`${words.join("\r\n")}\r\nSubject: =?utf-8?q?f=C3=BCr?= you\r\n\r\nHello\r\n.\r\nQUIT\r\n`);
  const mail = await smtp.next((m) => m.to.includes("ada@northwind.test"));
  assert.equal(mail.headers.subject, "für you");
  assert.equal(mail.text.trim(), "Hello");
  assert.deepEqual(mail.to, ["ada@northwind.test"]);
  assert.match(said, /^550/m);
});
