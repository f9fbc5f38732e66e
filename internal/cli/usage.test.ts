import { expect, test } from "bun:test";
import { commonArgs, defineSubcommand } from "./command.ts";
import { wrapped } from "./wrap.ts";
import { usageText } from "./usage.ts";

test("usage reads as a person expects it", () => {
  const command = defineSubcommand({
    summary: "Build images.",
    description: "Finds out versions by itself.",
    args: {
      target: { type: "positional", required: false, repeatable: true, description: "What to build" },
      image: { type: "string", alias: "i", valueHint: "IMAGE", required: true, description: "Image to use" },
      "build-arg": { type: "string", repeatable: true, valueHint: "NAME=VALUE", description: "Build argument" },
      push: { type: "boolean", description: "Push after building" },
      ...commonArgs,
    },
    examples: [{ run: "onloadctl build-images all --push", does: "Build and push everything" }],
    subcommands: {
      verify: { summary: "Check an image", load: () => Promise.reject(new Error("help must load nothing")) },
      internal: { summary: "Not shown", hidden: true, load: () => Promise.reject(new Error("nor this")) },
    },
    run: async () => undefined,
  });
  expect(usageText(command, ["onloadctl", "build-images"])).toMatchInlineSnapshot(`
    "Build images.

    Finds out versions by itself.

    Usage:
      onloadctl build-images [TARGET...] [flags]
      onloadctl build-images COMMAND [flags]

    Arguments:
      [TARGET...]  What to build

    Commands:
      verify  Check an image

    Examples:
      # Build and push everything
      onloadctl build-images all --push

    Flags:
      --image=IMAGE, -i       Image to use (required)
      --build-arg=NAME=VALUE  Build argument (may be repeated)
      --push                  Push after building

    Common flags:
      --log-level=debug|info|warn|error  Least severe log lines to write (default info)
      --log-format=text|json             Log format (default: text; in pods: json)
      --help, -h                         Show this text
    "
  `);
});

test("on a narrow screen, lines of sentences are no longer than it", () => {
  const description = "It takes the first engine that it finds on this machine, and tells which one that is. ".repeat(
    3,
  );
  const args = { engine: { type: "string", valueHint: "PROGRAM", description } } as const;
  const command = { summary: "Build", description, args: { ...args, ...commonArgs }, run: () => undefined } as never;
  for (const screen of [60, 80]) {
    const lines = usageText(command, ["onloadctl", "build"], screen).split("\n");
    expect(lines.filter((line) => line.length > screen)).toEqual([]);
  }
  expect(usageText(command, ["onloadctl", "build"], 200)).toBe(usageText(command, ["onloadctl", "build"]));
  expect(wrapped("a b", 10)).toEqual(["a b"]);
});
