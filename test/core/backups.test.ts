// Which backups are kept.
import { describe, expect, it } from "vitest";
import { archivePrefix, backupPrefix, keptBackups, manifestKey, referringFirst } from "../../src/core/backups.ts";
import { BACKUP_DAYS_KEPT, BACKUP_WEEKS_KEPT, BACKUPS_LATEST_KEPT } from "../../src/core/limits.ts";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const NOW = Date.UTC(2026, 10, 21, 12, 30);

/** One an hour, back from now; `complete` says which are. */
function hourly(hours: number, complete: (at: number) => boolean = () => true) {
  return Array.from({ length: hours }, (_, n) => {
    const at = NOW - n * HOUR;
    return { id: new Date(at).toISOString(), at, complete: complete(at) };
  });
}

describe("what is kept of backups that are made each hour", () => {
  it("is all of the first hours", () => {
    const all = hourly(BACKUPS_LATEST_KEPT);
    expect([...keptBackups(all)].sort()).toEqual(all.map(({ id }) => id).sort());
  });

  it("is, of a year, the latest, and the last one of each day and of each week", () => {
    const kept = keptBackups(hourly(365 * 24));
    expect(kept.size).toBeLessThanOrEqual(BACKUPS_LATEST_KEPT + BACKUP_DAYS_KEPT + BACKUP_WEEKS_KEPT);
    for (const hour of [0, 1, 2, 3, 4, 5]) expect(kept).toContain(new Date(NOW - hour * HOUR).toISOString());
    for (let day = 1; day < BACKUP_DAYS_KEPT; day += 1) {
      expect(kept).toContain(`${new Date(NOW - day * DAY).toISOString().slice(0, 10)}T23:30:00.000Z`);
    }
    const weeks = new Set([...kept].map((id) => Math.floor(Date.parse(id) / (7 * DAY))));
    expect(weeks.size).toBe(BACKUP_WEEKS_KEPT);
  });

  it("has none that is incomplete in the place of one that is whole", () => {
    const kept = keptBackups(hourly(20 * 24, (at) => at < NOW - 10 * DAY));
    expect(kept).toContain(new Date(NOW - 10 * DAY - HOUR).toISOString());
    expect(kept).toContain(new Date(NOW).toISOString());
  });
});

describe("tables", () => {
  it("that refer to others are copied before these, and filled after them", () => {
    const references = [
      { from: "accounts", to: "users" },
      { from: "sessions", to: "accounts" },
      { from: "sessions", to: "users" },
      { from: "notes", to: "notes" },
      { from: "users", to: "left_out" },
    ];
    const tables = ["accounts", "notes", "sessions", "users"];
    const ordered = referringFirst(tables, references);
    expect([...ordered].sort()).toEqual(tables);
    expect(ordered.indexOf("sessions")).toBeLessThan(ordered.indexOf("accounts"));
    expect(ordered.indexOf("accounts")).toBeLessThan(ordered.indexOf("users"));
  });
});

describe("the places of a backup", () => {
  it("begin with its id", () => {
    expect([backupPrefix("bck_1"), manifestKey("bck_1")]).toEqual(["backups/bck_1/", "backups/bck_1/manifest"]);
  });
});

describe("an archive", () => {
  it("has a place of its own for each object, apart from backups", () => {
    expect(archivePrefix({ object: "account", name: "acc_1" })).toBe("archives/account/acc_1/");
    expect(archivePrefix({ object: "market", name: "main/BTC-USD" })).toBe("archives/market/main/BTC-USD/");
  });
});
