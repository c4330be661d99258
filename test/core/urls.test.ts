// Which URLs may be called, and where a browser may be sent back to (O6).
import { describe, expect, it } from "vitest";
import { RETURN_TO_CHARS_MAX } from "../../src/core/limits.ts";
import { isOrigin, mayCall, returnTarget } from "../../src/core/urls.ts";

describe("a URL outside", () => {
  it.each(["https://accounts.google.com", "https://api.github.com/user", "https://xn--bcher-kva.example/a?b=c"])(
    "%s may be called",
    (url) => {
      expect(mayCall(new URL(url), false)).toBe(true);
      expect(mayCall(new URL(url), true)).toBe(true);
    },
  );

  it.each([
    "http://accounts.google.com",
    "ftp://files.example.com",
    "https://user@example.com",
    "https://:secret@example.com",
    "https://example.com:8443",
    "https://127.0.0.1",
    "https://10.0.0.1",
    "https://169.254.169.254/latest",
    "https://0x7f.1",
    "https://2130706433",
    "https://[::1]",
    "https://[::ffff:127.0.0.1]",
    "https://intranet",
    "https://example.com.",
  ])("%s may not", (url) => {
    expect(mayCall(new URL(url), false)).toBe(false);
  });

  it.each(["http://127.0.0.1:8788/google", "http://localhost:8788", "https://localhost"])(
    "%s may be called by a local run alone",
    (url) => {
      expect(mayCall(new URL(url), true)).toBe(true);
      expect(mayCall(new URL(url), false)).toBe(false);
    },
  );

  it("of another machine is no more allowed to a local run", () => {
    expect(mayCall(new URL("http://10.0.0.1"), true)).toBe(false);
    expect(mayCall(new URL("ftp://localhost"), true)).toBe(false);
  });
});

describe("the way back", () => {
  const HOME = "https://tradepost.example";
  const to = (text: string) => returnTarget(text, HOME, ["https://app.example.com", "http://localhost:5173"]);

  it.each([
    ["/", "https://tradepost.example/"],
    ["/markets/BTC-USD?tab=book", "https://tradepost.example/markets/BTC-USD?tab=book"],
    ["/../..//evil.example", "https://tradepost.example//evil.example"],
    ["/@evil.example", "https://tradepost.example/@evil.example"],
    ["/?next=https://evil.example", "https://tradepost.example/?next=https://evil.example"],
    ["https://tradepost.example/a", "https://tradepost.example/a"],
    ["https://app.example.com", "https://app.example.com/"],
    ["https://app.example.com?x=1", "https://app.example.com/?x=1"],
    ["http://localhost:5173/signed-in", "http://localhost:5173/signed-in"],
  ])("O6 to %s is taken", (text, target) => {
    expect(to(text)).toBe(target);
  });

  it("O6 is a path on the host of the home, wherever that is", () => {
    expect(returnTarget("/b", "https://tradepost.example/app", [])).toBe("https://tradepost.example/b");
  });

  it.each([
    "",
    "evil.example",
    "//evil.example",
    "///evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "https:evil.example",
    "https:/tradepost.example",
    "https://evil.example",
    "https://tradepost.example.evil.example",
    "https://tradepost.example@evil.example",
    "https://tradepost.example:443/",
    "https://tradepost.example:8443/",
    "https://TRADEPOST.example/",
    "http://tradepost.example/",
    "https://app.example.com.evil.example",
    "https://app.example.com:80",
    "https://user@app.example.com/",
    "javascript:alert(1)",
    "data:text/html,x",
    " /a",
    "/a b",
    "/a\r\nSet-Cookie: x=1",
    "/a\tb",
    "/a#mfa_token=x",
    "/ü",
    `/${"a".repeat(RETURN_TO_CHARS_MAX)}`,
  ])("O6 to %j is refused", (text) => {
    expect(to(text)).toBeNull();
  });
});

describe("an origin", () => {
  it.each([
    "https://app.example.com",
    "https://app.example.com:8443",
    "http://localhost:5173",
    "http://127.0.0.1:8787",
  ])("%s is one", (text) => expect(isOrigin(text)).toBe(true));

  it.each(["", "*", "https://app.example.com/", "http://app.example.com", "ftp://app.example.com", "app.example.com"])(
    "%j is none",
    (text) => expect(isOrigin(text)).toBe(false),
  );
});
