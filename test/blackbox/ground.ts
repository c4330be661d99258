// Where a run keeps its state: memory, disk, or a small file system of its own that can be filled to the last page.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const MEMORY = "/dev/shm";
const MOUNT_MB_MIN = 256;
/** An act costs its account, its market, the queue and D1 up to this much, write-ahead logs included. */
const KB_PER_ACT = 40;

/** A folder for the state of a run, and how to leave it. */
export class Ground {
  readonly folder: string;
  /** Whether filling it fills nothing else. */
  readonly canFill: boolean;
  readonly #base: string;
  readonly #leave = () => this.#remove();

  private constructor(base: string, canFill: boolean) {
    this.#base = base;
    this.folder = join(base, "state");
    this.canFill = canFill;
    process.once("exit", this.#leave);
  }

  /** Makes a folder; to be filled, it gets a tmpfs of its own, where this process may mount one. */
  static prepare(storage: "tmpfs" | "disk", toFill: boolean, acts: number): Ground {
    const cache = join(import.meta.dirname, "..", "..", "node_modules", ".cache");
    const place = storage === "disk" ? cache : existsSync(MEMORY) ? MEMORY : tmpdir();
    mkdirSync(place, { recursive: true });
    const base = mkdtempSync(join(place, "tradepost-blackbox-"));
    const megabytes = Math.max(MOUNT_MB_MIN, Math.ceil((acts * KB_PER_ACT) / 1_024));
    return new Ground(base, toFill && mount(base, megabytes));
  }

  /** Gives everything back. */
  leave(): void {
    process.off("exit", this.#leave);
    this.#remove();
  }

  #remove(): void {
    // A server that is still dying is in it: lazily, it goes as soon as that has.
    if (this.canFill) spawnSync("umount", ["-l", this.#base]);
    rmSync(this.#base, { recursive: true, force: true });
  }
}

/** Whether this process may mount a file system of its own. */
export function canMount(): boolean {
  const folder = mkdtempSync(join(tmpdir(), "tradepost-mount-"));
  const can = mount(folder, 1);
  if (can) spawnSync("umount", [folder]);
  rmSync(folder, { recursive: true, force: true });
  return can;
}

function mount(folder: string, megabytes: number): boolean {
  if (process.platform !== "linux" || process.getuid?.() !== 0) return false;
  return spawnSync("mount", ["-t", "tmpfs", "-o", `size=${megabytes}m`, "tmpfs", folder]).status === 0;
}
