import { readFileSync } from "node:fs";
import { join } from "node:path";
import ts from "typescript";
import { beforeAll, describe, expect, it } from "vitest";

const PROTOCOL = join(__dirname, "../../protocol");
const PROBE = join(PROTOCOL, "probe.ts");

function golden(name: string): Record<string, unknown> {
  return JSON.parse(readFileSync(join(PROTOCOL, "golden", `${name}.json`), "utf8")) as Record<
    string,
    unknown
  >;
}

const { aFieldOfALaterVersion, ...state } = golden("state");
const { role: _, ...statusWithoutRole } = golden("status");

/** Name, type of the contract, value, whether it fits. */
const PROBES: [string, string, unknown, boolean][] = [
  ["initialize", "InitializeOptions", golden("initialize"), true],
  ["state, but for the field of a later version", "DesiredState", state, true],
  ["status", "Status", golden("status"), true],
  ["log level", "LogLevelParams", golden("logLevel"), true],
  ["records", "Record[]", golden("records"), true],
  ["retest", "RetestAnswer", golden("retest"), true],
  ["diagnose", "DiagnoseParams[]", golden("diagnose"), true],
  ["diagnosis", "Diagnosis", golden("diagnosis"), true],
  ["test request", "TryRequestParams[]", golden("tryRequest"), true],
  ["what test requests brought", "TryRequestAnswer[]", golden("tryAnswers"), true],
  ["a status with an unknown mode", "Status", { ...golden("status"), mode: "remote" }, false],
  ["a status without a role", "Status", statusWithoutRole, false],
  ["a log level that keeps quiet", "LogLevelParams", { level: "off" }, false],
  ["a state without a revision", "DesiredState", { ...state, revision: undefined }, false],
];

/** What the compiler says of each probe, where the contract wants its type. */
function compile(): string[][] {
  const values = PROBES.map(
    ([, type, value], index) =>
      `export const value${String(index)}: contract.${type} = ${JSON.stringify(value)};`,
  );
  const text = [`import type * as contract from "./protocol";`, ...values].join("\n");
  const options: ts.CompilerOptions = {
    strict: true,
    noEmit: true,
    types: [],
    lib: ["lib.es5.d.ts"],
    module: ts.ModuleKind.Node16,
    skipLibCheck: true,
  };
  const host = ts.createCompilerHost(options);
  const real = { ...host };
  host.getSourceFile = (name, target, ...rest) =>
    name === PROBE
      ? ts.createSourceFile(name, text, target, true)
      : real.getSourceFile(name, target, ...rest);
  host.fileExists = (name) => name === PROBE || real.fileExists(name);
  host.readFile = (name) => (name === PROBE ? text : real.readFile(name));
  const complaints = PROBES.map((): string[] => []);
  for (const { file, start, messageText } of ts.getPreEmitDiagnostics(
    ts.createProgram([PROBE], options, host),
  )) {
    const line = file?.fileName === PROBE ? file.getLineAndCharacterOfPosition(start ?? 0).line : 0;
    complaints[line - 1]?.push(ts.flattenDiagnosticMessageText(messageText, " "));
  }
  return complaints;
}

describe("the sidecar's samples of each message, read by the types of the contract", () => {
  let complaints: string[][];
  beforeAll(() => {
    complaints = compile();
  }, 60_000);

  it.each(
    PROBES.map(
      ([name, type, , fits], index) => [name, fits ? "fits" : "does not fit", type, index, fits] as const,
    ),
  )("%s %s %s", (_name, _word, _type, index, fits) => {
    expect(complaints[index]).toEqual(fits ? [] : expect.arrayContaining([expect.any(String)]));
  });

  it("hold a field that an older half does not know", () => {
    expect(aFieldOfALaterVersion).toBe(true);
  });
});
