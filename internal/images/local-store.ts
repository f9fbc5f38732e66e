import type { Readable } from "node:stream";
import { readContents, type Contents } from "./contents.ts";
import { reach, type RegistryAccess } from "./access.ts";
import type { Engine, LocalImage } from "./engine.ts";
import { diagnose, lastLines } from "./diagnose.ts";
import type { Runner } from "./runner.ts";
import { LimitError, MORE_TIME, STEP_MS, TimeLimitError } from "./limits.ts";
import { bytes, eachEntry } from "./tar.ts";

/** The largest file that readFile returns, in bytes. */
const MAX_TEXT = 1024 * 1024;

/** An engine's local images, through its commands. */
export class LocalStore {
  readonly engine: Engine;
  #runner: Runner;
  #signal: AbortSignal | undefined;
  #mayPull: boolean;
  #builds: boolean;
  #stepMs: number;

  /**
   * @param options.mayPull false for dry runs, which change nothing
   * @param options.builds false where images are only opened
   * @param options.stepMs longest pull, push or reading of an image, in milliseconds
   */
  constructor(
    engine: Engine,
    runner: Runner,
    {
      signal,
      mayPull = true,
      builds = true,
      stepMs = STEP_MS,
    }: { signal?: AbortSignal; mayPull?: boolean; builds?: boolean; stepMs?: number | undefined } = {},
  ) {
    this.engine = engine;
    this.#runner = runner;
    this.#signal = signal;
    this.#mayPull = mayPull;
    this.#builds = builds;
    this.#stepMs = stepMs;
  }

  /**
   * Runs one of the engine's commands with its environment; see Runner. An abort of `limit` ends it too.
   *
   * @param onLine makes it a step, which may print much and take long
   */
  async run(
    command: readonly string[],
    onLine?: (line: string) => void,
    limit?: AbortSignal,
  ): ReturnType<Runner["run"]> {
    const signals = [this.#signal, limit].filter((signal) => signal !== undefined);
    return await this.#runner.run(command, {
      env: this.engine.env,
      signal: AbortSignal.any(signals),
      ...(onLine ? { onLine, timeoutMs: this.#stepMs } : {}),
    });
  }

  /**
   * Runs a command that must succeed.
   *
   * @param onLine see `run`
   * @throws Error "Cannot <what>: <cause or last lines>"
   */
  async must(what: string, command: readonly string[], onLine?: (line: string) => void): Promise<string> {
    const { code, stdout, output } = await this.run(command, onLine).catch((cause: unknown) => {
      if (!(cause instanceof TimeLimitError)) throw cause;
      throw new Error(`Cannot ${what}: ${cause.message}; ${MORE_TIME}`, { cause });
    });
    if (code === 0) return stdout;
    const known = diagnose(output, this.#builds);
    const reason = known ? `${known.cause}; ${known.remedy}` : lastLines(output, 2).join(" ");
    throw new Error(`Cannot ${what}: ${reason || `${command[0]} exits with ${code}`}`);
  }

  /** What the engine knows about a local image; undefined if it is not there. */
  async inspect(image: string): Promise<LocalImage | undefined> {
    const { code, stdout } = await this.run(this.engine.inspect(image));
    return code === 0 ? this.engine.parseInspect(stdout) : undefined;
  }

  /** A local image, pulled first if it is not there. @throws Error if it cannot be pulled */
  async obtain(image: string, access: RegistryAccess, platform?: string): Promise<LocalImage> {
    const here = await this.inspect(image);
    if (here) return here;
    if (!this.#mayPull)
      throw new Error(`Cannot look into ${image}: it is not here, and a dry run pulls nothing; pull it first`);
    await this.must(`pull ${image}`, this.engine.pull(image, reach(access, image), platform), () => undefined);
    const pulled = await this.inspect(image);
    if (!pulled) throw new Error(`Cannot find ${image}: ${this.engine.name} pulled it and does not know it`);
    return pulled;
  }

  /** Reads the whole file system of an image. */
  contents(image: string): Promise<Contents> {
    return this.#open(image, (tar) => readContents(tar, this.#signal));
  }

  /** The text of one file of an image; undefined if it is not there. */
  readFile(image: string, path: string): Promise<string | undefined> {
    return this.#open(image, async (tar) => {
      let text: string | undefined;
      await eachEntry(tar, async (header, content) => {
        if (header.name.replace(/^\.?\//, "") !== path) return;
        text = (await bytes(content, MAX_TEXT, `/${path}`)).toString();
        return false;
      });
      return text;
    });
  }

  async #open<T>(image: string, read: (tar: Readable) => Promise<T>): Promise<T> {
    const made = await this.must(`open ${image}`, this.engine.create(image));
    const container = made.trim().split(/\s+/).at(-1) ?? "";
    try {
      return await this.#runner.read(this.engine.exportTar(container), read, {
        env: this.engine.env,
        signal: this.#signal,
        timeoutMs: this.#stepMs,
      });
    } catch (error) {
      if (error instanceof TimeLimitError)
        throw new Error(`Cannot read ${image}: ${error.message}; ${MORE_TIME}`, { cause: error });
      if (error instanceof LimitError) throw new Error(`Cannot read ${image}: ${error.message}`, { cause: error });
      throw error;
    } finally {
      // The container that we made is removed after an abort too.
      await this.#runner.run(this.engine.remove(container), { env: this.engine.env });
    }
  }
}
