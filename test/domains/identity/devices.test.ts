// Which sign-ins come from a new device.
import { expect, it } from "vitest";
import { isNewDevice } from "../../../src/domains/identity/devices.ts";

const CHROME =
  "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36";
const EDGE = `${CHROME} Edg/140.0.0.0`;
const SAFARI =
  "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Safari/605.1.15";
const known = [
  { device: CHROME, ip: "192.0.2.1" },
  { device: "curl/8.1", ip: "2001:db8:1:2::3" },
];

it.each([
  ["the same again", CHROME, "192.0.2.1", false],
  ["a newer version", CHROME.replace("140", "150"), "192.0.2.1", false],
  ["a neighbour's address", CHROME, "192.0.2.200", false],
  ["another network", CHROME, "192.0.3.1", true],
  ["another browser that names the first", EDGE, "192.0.2.1", true],
  ["another system", SAFARI, "192.0.2.1", true],
  ["another version of a tool, in the same /48", "curl/9.0", "2001:db8:1:ffff::1", false],
  ["the tool where the browser was", "curl/8.1", "192.0.2.1", true],
  ["neither agent nor address", "", "", true],
])("%s", (_what, device, ip, isNew) => {
  expect(isNewDevice({ device, ip }, known)).toBe(isNew);
});

it("the very first is none", () => {
  expect(isNewDevice({ device: CHROME, ip: "192.0.2.1" }, [])).toBe(false);
});
