import { statSync, watch, type FSWatcher } from "node:fs";

/** Lets one loop sleep until something happens. What happens while the loop is awake is not lost. */
export class Wake {
  #pending = false;
  #resume: (() => void) | undefined;

  /** Ends the current wait. If there is none, the next one ends at once. */
  notify(): void {
    this.#pending = true;
    this.#resume?.();
  }

  /** Waits for a notification, for `ms` milliseconds, or until the signal is aborted, whichever comes first. */
  async wait(ms: number, signal: AbortSignal): Promise<void> {
    if (!this.#pending && !signal.aborted) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, ms);
        const resume = (): void => {
          clearTimeout(timer);
          resolve();
        };
        this.#resume = resume;
        signal.addEventListener("abort", resume, { once: true });
        // The signal outlives every wait, so that a listener left behind by each would be a leak.
        this.#cleanUp = () => signal.removeEventListener("abort", resume);
      });
      this.#cleanUp?.();
      this.#resume = undefined;
    }
    this.#pending = false;
  }

  #cleanUp: (() => void) | undefined;
}

/**
 * Tells of changed names in a folder (inotify). It is a hint only: file systems need not report everything, so its user
 * must also look from time to time.
 */
export class FolderWatch {
  readonly #path: string;
  readonly #onChange: (name: string | null) => void;
  #watcher: FSWatcher | undefined;
  #inode: bigint | undefined;

  constructor(path: string, onChange: (name: string | null) => void) {
    this.#path = path;
    this.#onChange = onChange;
  }

  /** Watches the folder that is at the path now. Call it from time to time: another may have taken its place. */
  ensure(): void {
    const inode = inodeOf(this.#path);
    if (inode === this.#inode && this.#watcher !== undefined) return;
    this.close();
    if (inode === undefined) return;
    try {
      const watcher = watch(this.#path, (_event, name) => this.#onChange(name));
      watcher.on("error", () => this.close());
      this.#watcher = watcher;
      this.#inode = inode;
    } catch {
      // No inotify watches are left. The look from time to time remains.
    }
  }

  close(): void {
    this.#watcher?.close();
    this.#watcher = undefined;
    this.#inode = undefined;
  }
}

function inodeOf(path: string): bigint | undefined {
  try {
    return statSync(path, { bigint: true }).ino;
  } catch {
    return undefined;
  }
}
