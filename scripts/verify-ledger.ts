// npm run verify-ledger FILE [HASH]: whether a statement, or a proof of liabilities, holds, from the file alone. Exits with 1 at the first thing wrong.
import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { checkStatement, type Verdict } from "./ledger-check.ts";
import { FileError, readStatement, type Statement } from "./ledger-file.ts";
import { checkProof, isProof, type ProofVerdict, type ReadProof } from "./liability-check.ts";

const [path, head = null] = process.argv.slice(2);
if (path === undefined) {
  console.error(
    "Usage: npm run verify-ledger FILE [HASH]\nHASH: of a statement, the ledger's hash as GET /v1/account told it at the end; of a proof, the round's root.",
  );
  process.exit(2);
}
process.exit(verify(path, head));

function verify(path: string, head: string | null): 0 | 1 {
  try {
    const text = readFileSync(path, "utf8");
    if (isProof(text)) return toldProof(checkProof(text, head), head);
    const statement = readStatement(text);
    return told(statement, checkStatement(statement, head), head);
  } catch (error) {
    if (!(error instanceof FileError || (error instanceof Error && "code" in error))) throw error;
    console.error(`WRONG  ${error.message}`);
    return 1;
  }
}

function toldProof({ proof, wrong }: ProofVerdict, root: string | null): 0 | 1 {
  if (proof === null || wrong !== null) {
    console.error(`WRONG  ${wrong}`);
    return 1;
  }
  const text = (sums: ReadProof["totals"]) => sums.map(([asset, amount]) => `${amount} ${asset}`).join(", ");
  console.log(`${basename(path ?? "")}: ${proof.account} in round ${proof.round}`);
  console.log(`ok     the account is in it with ${text(proof.balances)}`);
  console.log(`ok     ${proof.path.length} steps lead to the root ${proof.root}, no sum on the way is negative`);
  console.log(`ok     all customers together have ${text(proof.totals)}`);
  if (root !== null) console.log("ok     that is the root that was given");
  else
    console.log(
      "       Compare the root with what GET /v1/system/liabilities says of this round, and others have kept.",
    );
  return 0;
}

function told(statement: Statement, { entries, postings, sums, wrong }: Verdict, head: string | null): 0 | 1 {
  const { account, from, to, madeAt, before, head: end } = statement;
  console.log(
    `${basename(path ?? "")}: ${account}, ${from ?? "from the beginning"} to ${to ?? madeAt}, made ${madeAt}`,
  );
  if (wrong !== null) {
    console.error(`WRONG  ${wrong}`);
    return 1;
  }
  console.log(`ok     ${entries} entries are chained, from ${before.hash} to ${end.hash}`);
  console.log(
    `ok     their ${postings} postings sum to zero per asset in each entry, and lead to each balance after them`,
  );
  for (const { asset, opening, moved, closing } of sums) {
    console.log(`ok     ${asset}: ${opening} at the opening, ${moved} moved, ${closing} at the closing`);
  }
  if (head !== null) console.log("ok     the ledger ends with the hash that was given");
  if (before.seq > 0) {
    console.log(
      `       The opening balances are those of the statement that ends with entry ${before.seq}: this file cannot show more.`,
    );
  }
  return 0;
}
