// A day at the exchange in a few seconds: two customers meet in the book, and in the end every cent is accounted for.
// Exits with 1 and one sentence when anything is off. BASE_URL says which exchange; `npm start` is the default one.

import {
  chainHolds,
  decimal,
  entriesBalance,
  foldIsBalances,
  heldIsOpenOrders,
  portfolioAdds,
  profitExplains,
  readBooks,
  streamAgrees,
  units,
} from "./demo-books.mjs";
import { Customer, call, DemoFailure, must } from "./demo-client.mjs";
import { usePinnedNode } from "./pinned-node.mjs";

const BASE = (process.env.BASE_URL ?? "http://127.0.0.1:8787").replace(/\/+$/, "");
const SYMBOL = "BTC-USD";
const PAID_IN = "50000";
const QTY = "0.01";
const NOTIONAL = "1000";
const BOOK_LEVELS = 5;
const LIMIT_MS = 60_000;

await usePinnedNode();
const started = performance.now();
setTimeout(() => fail(`The demo did not end within ${LIMIT_MS / 1_000} s.`), LIMIT_MS).unref();
await run().catch((error) => {
  if (!(error instanceof DemoFailure)) console.error(error);
  fail(error.message);
});
process.exit(0);

async function run() {
  const market = await call(BASE, "GET", `/v1/markets/${SYMBOL}`);
  const { ada, ben } = await openAccounts();
  const quotes = await showBook();
  const resting = await restInsideSpread(ada, market, quotes);
  await sellInto(ben, ada, resting);
  await buyAtMarket(ada);
  await restAndCancel(ada, market, quotes);
  const books = [await readBooks(ada), await readBooks(ben)];
  showPortfolio(books[0]);
  showLedger(books[0]);
  await checkBooks(books, market);
  for (const customer of [ada, ben]) customer.stream.close();
  console.log(`\nAll of it holds. ${((performance.now() - started) / 1_000).toFixed(1)} s.`);
}

async function openAccounts() {
  heading("Two customers sign up and are funded");
  const [ada, ben] = await Promise.all([Customer.signUp(BASE, "Ada"), Customer.signUp(BASE, "Ben")]);
  for (const customer of [ada, ben]) await customer.listen();
  await ada.deposit("USD", PAID_IN);
  await ben.deposit("USD", "1000");
  await ben.deposit("BTC", "0.5");
  for (const customer of [ada, ben]) {
    const { balances } = await customer.get("/v1/account");
    const money = balances.map(({ available, asset }) => `${available} ${asset}`).join(", ");
    console.log(`  ${customer.username}  ${customer.accountId}  ${money}`);
  }
  return { ada, ben };
}

async function showBook() {
  heading(`The book of ${SYMBOL}`);
  const book = await call(BASE, "GET", `/v1/markets/${SYMBOL}/book?depth=${BOOK_LEVELS}`);
  const rows = Array.from({ length: BOOK_LEVELS }, (_, place) => {
    const [bid, bidQty] = book.bids[place] ?? ["", ""];
    const [ask, askQty] = book.asks[place] ?? ["", ""];
    return [bidQty, bid, ask, askQty];
  });
  table(["bid qty", "bid", "ask", "ask qty"], rows, ">><<");
  must(
    book.bids.length > 0 && book.asks.length > 0,
    `The book of ${SYMBOL} has an empty side: the house does not quote.`,
  );
  return { bid: units(book.bids[0][0]), ask: units(book.asks[0][0]) };
}

async function restInsideSpread(ada, market, { bid, ask }) {
  const tick = units(market.tick_size);
  const middle = (bid + ask) / 2n;
  const price = middle - (middle % tick);
  must(price > bid && price < ask, `There is no room inside the spread ${decimal(bid)} / ${decimal(ask)}.`);
  heading(`${ada.name} offers to buy ${QTY} BTC at ${decimal(price)}, inside the spread`);
  const order = await ada.order({ symbol: SYMBOL, side: "buy", type: "limit", qty: QTY, limit_price: decimal(price) });
  await watch(ada, order.id, "new");
  return order;
}

async function sellInto(ben, ada, resting) {
  heading(`${ben.name} sells ${QTY} BTC at the market, and meets that offer`);
  const order = await ben.order({ symbol: SYMBOL, side: "sell", type: "market", qty: QTY });
  await watch(ben, order.id, "filled");
  await watch(ada, resting.id, "filled");
  const fill = await ada.stream.find("fills", (one) => one.order_id === resting.id, "the fill of the resting order");
  must(fill.liquidity === "maker", "The resting order paid as a taker.");
  must(fill.price === resting.limit_price, `The resting order filled at ${fill.price}, not at its own price.`);
}

async function buyAtMarket(ada) {
  heading(`${ada.name} buys for ${NOTIONAL} USD at the market`);
  const order = await ada.order({ symbol: SYMBOL, side: "buy", type: "market", notional: NOTIONAL });
  const done = await watch(ada, order.id, "filled");
  const spent = units(done.filled_notional) + units(done.fee);
  must(spent <= units(NOTIONAL), `The order was to cost at most ${NOTIONAL} USD and cost ${decimal(spent)}.`);
}

async function restAndCancel(ada, market, { bid }) {
  const tick = units(market.tick_size);
  const low = (bid * 98n) / 100n;
  const price = decimal(low - (low % tick));
  heading(`${ada.name} offers ${price} for more, and changes her mind`);
  const order = await ada.order({ symbol: SYMBOL, side: "buy", type: "limit", qty: QTY, limit_price: price });
  await watch(ada, order.id, "new");
  console.log(`             ${heldIsOpenOrders(await readBooks(ada), market)}`);
  await ada.cancel(order.id);
  await watch(ada, order.id, "canceled");
}

/** Prints an order's events off the stream until it has the status; answers the order as it is then. */
async function watch(customer, orderId, status) {
  const ended = (order) => ["filled", "canceled", "expired", "rejected"].includes(order.status);
  const fits = (order) => order.id === orderId && (order.status === status || ended(order));
  const order = await customer.stream.find("orders", fits, `order ${orderId} as ${status}`);
  const at =
    order.filled_avg_price === null
      ? ""
      : `  ${order.filled_qty} BTC at ${order.filled_avg_price}, fee ${order.fee} USD`;
  console.log(`  ${customer.name} hears  ${order.exec_type.padEnd(8)}  ${order.status}${at}`);
  must(order.status === status, `Order ${orderId} should be ${status} and is ${order.status} (${order.reason}).`);
  return order;
}

function showPortfolio({ customer, portfolio, positions }) {
  heading(`The portfolio of ${customer.name}`);
  const { equity, cash, positions_value, realized_pnl, unrealized_pnl } = portfolio;
  table(
    ["equity", "cash", "positions", "realized", "unrealized"],
    [[equity, cash, positions_value, realized_pnl, unrealized_pnl]],
  );
  console.log("");
  const rows = positions.map((one) => [
    one.symbol,
    one.qty,
    one.avg_entry_price ?? "",
    one.market_price,
    one.market_value,
  ]);
  table(["position", "qty", "average cost", "price", "value"], rows, "<>>>>");
}

function showLedger({ customer, entries }) {
  heading(`The ledger of ${customer.name}`);
  const rows = entries.flatMap(({ seq, kind, postings, hash }) =>
    postings.map(({ account, asset, amount }, place) => {
      const head = place === 0 ? [String(seq), kind, hash.slice(0, 8)] : ["", "", ""];
      return [...head, account, amount, asset];
    }),
  );
  table(["seq", "kind", "hash", "account", "amount", "asset"], rows, "><<<><");
}

async function checkBooks(books, market) {
  heading("Do the books balance?");
  for (const one of books) {
    const said = [
      entriesBalance(one),
      chainHolds(one),
      foldIsBalances(one),
      heldIsOpenOrders(one, market),
      portfolioAdds(one),
      await streamAgrees(one),
    ];
    for (const sentence of said) console.log(`  ${one.customer.name}: ${sentence}`);
  }
  const [ada] = books;
  console.log(`  ${ada.customer.name}: ${profitExplains(ada, PAID_IN)}`);
}

function heading(text) {
  console.log(`\n── ${text}`);
}

/** Prints rows in columns; `align` has > (right) or < (left) per column. */
function table(head, rows, align = ">".repeat(head.length)) {
  const widths = head.map((title, place) => Math.max(title.length, ...rows.map((row) => row[place].length)));
  for (const row of [head, ...rows]) {
    const cells = row.map((cell, place) =>
      align[place] === ">" ? cell.padStart(widths[place]) : cell.padEnd(widths[place]),
    );
    console.log(`  ${cells.join("  ").trimEnd()}`);
  }
}

function fail(reason) {
  console.error(`\nThe demo failed: ${reason}`);
  process.exit(1);
}
