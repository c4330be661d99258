// Every bound of the product, with its unit in the name and the reason for its value.

/** A UTC day. */
export const DAY_MS = 86_400_000;

/** Open orders one account may have: the contract's figure; bounds the memory of an account object. */
export const OPEN_ORDERS_MAX = 10_000;
/** Open orders of one account in one market where no operator has set fewer: only the account's own bound counts. */
export const MARKET_OPEN_ORDERS_MAX = OPEN_ORDERS_MAX;
/**
 * How far beyond the band a trade may be, and how far the reference price may move within the window, in hundredths of a percent:
 * what exchanges of shares halt at. The simulated price cannot move by one percent in a minute, whatever its seed.
 */
export const BREAKER_BPS = 500;
/** How far back the breaker looks at the reference price: each second is looked at, whenever the market quotes. */
export const BREAKER_WINDOW_MS = 60_000;
export const BREAKER_WINDOW_MAX_MS = 300_000;
/** How long the breaker halts a market: the field's five minutes, in which people look. */
export const BREAKER_HALT_MS = 300_000;
export const BREAKER_HALT_MAX_MS = 86_400_000;
/** Band and breaker together must leave prices above zero. */
export const PRICE_BAND_MAX_BPS = 5_000;
export const BREAKER_MAX_BPS = 4_999;
/** A market's fees: a tenth of what is traded is a slip of the pen. */
export const FEE_MAX_BPS = 1_000;
/** Orders that a mass cancel ends in one turn of their market: some tens of ms, in which it does nothing else. */
export const MASS_CANCEL_ORDERS_MAX = 1_000;
/** How long one market may take to be stopped before it counts as not told, and how often it is told again after the answer. */
export const KILL_CALL_TIMEOUT_MS = 800;
export const KILL_RETRY_MS = 1_000;
export const KILL_RETRY_TRIES = 25;
/** How late an account may hear that a rule by which it refuses an order has been loosened: it asks its market no more often. */
export const RULES_ASK_MS = 1_000;
/** How late it may hear of any other change of rules, such as of fees: an order is charged what its account knew as it came in. */
export const RULES_FRESH_MS = 10_000;
/** How long an order waits for that: a market that hangs must not make everybody wait for long. */
export const RULES_WAIT_MS = 500;
/** How late the list of all markets may be: what one market says of itself is of now. */
export const MARKET_LIST_AGE_MS = 1_000;
/** Fills one command may make: bounds the time a market object is busy with one order. */
export const FILLS_PER_COMMAND_MAX = 2_000;
/** In how many parts an iceberg may show itself: each is a fill of its own, and a taker has {@link FILLS_PER_COMMAND_MAX}. */
export const ICEBERG_PARTS_MAX = 100n;
/** How long a market, ioc or fok order may wait for its market (protocol rule 7): later it would surprise its owner. */
export const SUBMIT_DEADLINE_MS = 5_000;
/** How long a POST waits for the market before it answers 202 (protocol rule 7). */
export const SETTLE_WAIT_MS = 2_000;
/** How long a key counts as in flight: longer than a POST waits, or one that died unanswered would hold it for ever. */
export const IN_FLIGHT_MAX_MS = 5_000;
/** Orders of one batch: the contract's figure. */
export const BATCH_ORDERS_MAX = 100;
/** Commands in one call to a market: bounds one transaction there and the call's size. */
export const COMMANDS_PER_CALL_MAX = 100;
/** Reports in one push or answer: about 40 KB. What is left goes in the next. */
export const REPORTS_PER_CALL_MAX = 200;
/** Destinations a market pushes to in one turn (protocol rule 8): a sweep of many makers must not starve commands. */
export const DESTINATIONS_PER_TURN_MAX = 50;
/** One call to another object: longer is treated as lost, since the peer answers from its record when asked again. */
export const CALL_TIMEOUT_MS = 10_000;
/** First and longest pause between tries to reach another object (protocol rule 9). */
export const BACKOFF_FIRST_MS = 250;
export const BACKOFF_MAX_MS = 30_000;
/** The safety net behind eager draining: an alarm is a write, so one is armed this far ahead and not per order. */
export const SAFETY_NET_MS = 5_000;
/** How long journal rows gather before they go to the queue as one slice (protocol rule 2). */
export const SLICE_DELAY_MS = 250;
/** One slice's size: a queue message may have 128 KB, less the envelope. */
export const SLICE_BYTES_MAX = 100_000;
/** A request's body: the contract's figure. */
export const BODY_BYTES_MAX = 65_536;
/** A snapshot in a request: it goes to its object in one call, of which the platform takes 32 MiB, and is held there twice. */
export const SNAPSHOT_BYTES_MAX = 8 * 1_048_576;
/** Events of a snapshot that are replayed and written at once: a journal of any length must fit into an object's memory of 128 MB. */
export const SNAPSHOT_READ_ROWS = 100;
/** Rows of the ledger whose hashes are recomputed when an object starts: a few ms, and what is written last is read most. */
export const LEDGER_TAIL_ROWS = 50;
/** Journal rows read at once for a slice: few, since those that do not fit into it are read in vain. */
export const SLICE_READ_ROWS = 16;
/** Slices that an object sends in a row: after an outage it has thousands, and queue and readers are others' too. */
export const FLUSH_SLICES_MAX = 10;
/**
 * Bytes in an object's storage beyond which it takes cancels alone: 80 % of the platform's 10 GB. What an object owes goes on being
 * written (reports, cancels, quotes), and the last fifth holds that for weeks.
 */
export const OBJECT_BYTES_MAX = 8_000_000_000;
/** The epoch of a restored object is higher than the one before, and by no more than this: a mistyped one would be the last. */
export const EPOCH_STEP_MAX = 1_000;
/** Between two looks at what an object has stored: one for each of an order's three commits took 2 % of the order. */
export const FULL_LOOK_MS = 100;
/** Encoded items in one part of a cut journal's base: with JSON's escapes a part must fit into a queue message as an event does. */
export const BASE_PART_CHARS = 60_000;
/** Digits of a digest that stay of a key and a body for ever: 128 bits, and what exactly-once needs fits into 100 bytes. */
export const KEPT_DIGEST_CHARS = 32;
/** Events that one cut takes out of a journal: they are replayed at once, some 100 ms of their object's time. */
export const CUT_EVENTS_MAX = 2_000;
/** Objects that one run of the cron asks whether they have anything to archive, and time for it. */
export const ARCHIVE_OBJECTS_MAX = 200;
export const ARCHIVE_MS_MAX = 10_000;
/** Shortest age at which events may be cut: a backup of five weeks must still be told all that it does not know. */
export const RETENTION_DAYS_MIN = 40;
/** Longest sleep of a market's alarm (protocol, house liquidity). */
export const HOUSE_HORIZON_STEPS = 3_600;
/** One paper deposit or withdrawal is worth at most 10,000,000 USD, the contract's figure; in USD units (6 digits). */
export const TRANSFER_USD_UNITS_MAX = 10_000_000_000_000n;
/** Transfers of an account that wait for somebody: more are a mistake, and each is kept in its object's memory. */
export const TRANSFERS_PENDING_MAX = 100;
/** Operators who must approve a withdrawal that is reviewed: nobody moves much money alone. */
export const WITHDRAWAL_APPROVALS = 2;
/** How often the payment provider is asked about what it has: it tells by itself, and rarely is that lost. */
export const PAYMENT_LOOK_MS = 3_600_000;
/** How long a payout is asked for under one key: the provider may forget a key after a day. */
export const PAYOUT_TRIES_MS = 23 * 3_600_000;
/** Price levels a book answer has on each side, and may have: the contract's figures. */
export const BOOK_DEPTH_DEFAULT = 50;
export const BOOK_DEPTH_MAX = 500;
/** Rows of one page: the contract's figures. */
export const PAGE_ROWS_DEFAULT = 50;
export const PAGE_ROWS_MAX = 200;
/** Open orders that an explained balance names: more are counted together, and GET /v1/orders has them all. */
export const EXPLAIN_HOLDS_MAX = 200;
/** Open lots of an explained position: each is looked up by itself. Older ones are counted together. */
export const EXPLAIN_LOTS_MAX = 200;
/** Accounts whose portfolio one run of the cron takes a snapshot of: each is a call, and a run must end within its minute. */
export const SNAPSHOTS_PER_RUN = 400;
/** Entries of a position that its figures by first in, first out are made from: read one by one, in about 100 ms. */
export const FIFO_STEPS_MAX = 5_000;
/** Points of a performance: the account looks each of them up, which together takes it tens of ms. */
export const PERFORMANCE_POINTS_MAX = 400;
/** As many where nobody has asked for an interval: enough for a chart. */
export const PERFORMANCE_POINTS_DEFAULT = 100;
/** Transfers in one performance: the account looks up what it had before and after each. */
export const PERFORMANCE_FLOWS_MAX = 500;
/** Entries of one statement: it is written in one go, and a Worker may call others a thousand times for that. */
export const STATEMENT_ENTRIES_MAX = 100_000;
/** Entries of a statement that its account reads at once: a few ms in which it does nothing else. */
export const STATEMENT_PAGE_ROWS = 400;
/** Tries to read such a page, and the pause after the first, which grows by as much: an object starts anew within a second. */
export const STATEMENT_PAGE_TRIES = 4;
export const STATEMENT_RETRY_MS = 250;
/** Stream messages replayed to a socket that resumes; an older resume_from gets a gap and a snapshot. */
export const STREAM_REPLAY_EVENTS_MAX = 10_000;
/** Stream numbers that a restore passes over: more than an account says between a snapshot and its loss, even in years. */
export const STREAM_RESTART_GAP = 1_000_000_000;
/** Sockets on one account object: each costs memory and a send per event. */
export const SOCKETS_PER_ACCOUNT_MAX = 64;
/** A client's WebSocket message: the contract's figure. */
export const SOCKET_MESSAGE_BYTES_MAX = 16_384;
/** Messages of one client in a row, forgiven evenly over a window: a good one subscribes once and renews every ten minutes. */
export const SOCKET_MESSAGES_MAX = 100;
export const SOCKET_MESSAGES_WINDOW_MS = 10_000;
/** Shortest and longest time after which orders are canceled for an owner who is not there: the contract's figures. */
export const CANCEL_AFTER_MIN_MS = 1_000;
export const CANCEL_AFTER_MAX_MS = 86_400_000;
/** Longest silence of a socket that nobody may end: the contract's figure, three of its pings. */
export const SOCKET_SILENCE_MAX_MS = 60_000;
/** A stream ticket's life: the contract's figure. */
export const TICKET_TTL_MS = 30_000;
/** Tickets of one account that wait to be used: more are a mistake or an attack. */
export const TICKETS_OPEN_MAX = 100;
/** API keys of an account: each has a rate of its own beside its owner's. */
export const API_KEYS_PER_ACCOUNT_MAX = 20;
/** Blocks of addresses that one key may be bound to: each call by it looks at all of them. */
export const API_KEY_ADDRESSES_MAX = 20;
/** How late a key's last use may be known: a write for each order would cost as much as the order. */
export const API_KEY_TOUCH_MS = 60_000;
/** Longest life of a stream that was opened by key: a key without an end would leave one open for ever. */
export const API_KEY_STREAM_MS = 24 * 3_600_000;
/** How far a signed call's time may be from ours, either way: clocks differ, and longer would be longer to replay in. */
export const SIGNATURE_WINDOW_MS = 30_000;
/** Nonces of an account that are remembered: twice what its fastest keys send in two windows. */
export const NONCES_PER_ACCOUNT_MAX = 20_000;
/** gtd orders must have at least this much life: the contract's figure. */
export const EXPIRES_AHEAD_MIN_MS = 1_000;
/** Idle time between sweeps of one object by the D1 sweeper. */
export const SWEEP_LAG_MS = 5_000;
/** Objects one sweep looks at: a cron run must end well inside its minute. */
export const SWEEP_OBJECTS_MAX = 200;
/** Accounts with a gap in what has arrived that a sweep takes out of turn: the others must still get theirs. */
export const SWEEP_GAPS_MAX = 90;
/** Objects that one sweep asks at once. */
export const SWEEP_LANES_MAX = 20;
/** How long one call about an object's journal may take: with all objects unreachable a sweep must end within its minute. */
export const JOURNAL_CALL_TIMEOUT_MS = 2_000;
/** Objects whose slices one consumer applies at once: D1 takes six connections an invocation, and is one thread. */
export const PROJECTION_LANES_MAX = 4;
/**
 * Journal text that goes into one D1 batch: its rows are a fifth of it, and D1 takes 2 MB for one bound value. Even operators'
 * reasons in a script of three bytes a character stay below that. Requests wait for what it costs where D1 shares their machine.
 */
export const PROJECTION_BATCH_CHARS_MAX = 500_000;
/** Objects whose journals one consumer fetches side by side; together their pages are one D1 batch. */
export const PULL_OBJECTS_MAX = 20;
/** As {@link PROJECTION_BATCH_CHARS_MAX} when journals are fetched: each round pays for a pause and a commit, a fifth of it. */
export const PULL_BATCH_CHARS_MAX = 800_000;
/** Journal fetched in one round, from all objects together: the text of one D1 batch, as {@link SLICE_BYTES_MAX} counts it. */
export const PULL_BYTES_MAX = 2 * PULL_BATCH_CHARS_MAX;
/** Rest between two rounds: in it the runtime and D1 see to others. With five milliseconds orders were answered no sooner. */
export const PULL_PAUSE_MS = 1;
/** Rounds of fetching in one invocation: D1 takes a thousand statements in each, and a round is eight. What is left goes on. */
export const PULL_ROUNDS_MAX = 100;
/** Rounds before the queue is asked to go on with what is left: it waits for more messages, and meanwhile this one goes on. */
export const PULL_ASK_ROUND = 50;
/** How long the journal's queue waits for more messages: wrangler.toml's max_batch_timeout. */
export const JOURNAL_QUEUE_WAIT_MS = 1_000;
/** Failures in a row after which a consumer leaves the rest of its batch for later: each may wait for D1's whole timeout. */
export const PROJECTION_FAILURES_MAX = 3;
/** Pauses before a slice is delivered again; doubled each time, ten tries outlast a D1 that is away for half an hour. */
export const SLICE_RETRY_FIRST_SECONDS = 5;
export const SLICE_RETRY_MAX_SECONDS = 300;
/** Pause before a slice that only another version understands is delivered again: deployments roll for minutes. */
export const SLICE_UNKNOWN_RETRY_SECONDS = 60;
/** Pauses before an e-mail is tried again; doubled each time, ten tries outlast a provider that is away for two hours. */
export const MAIL_RETRY_FIRST_SECONDS = 10;
export const MAIL_RETRY_MAX_SECONDS = 1_800;
/** Pause before a dead letter is delivered again: there is no queue behind it, so its ten tries must outlast an outage. */
export const DEAD_LETTER_RETRY_SECONDS = 300;
/** How old an isolate's lists of addresses may be: an entry counts everywhere within this time. */
export const IP_LISTS_AGE_MS = 30_000;
/** How long the first request of an isolate waits for them, and the pause after D1 gave none: trading waits for nobody. */
export const IP_LISTS_FIRST_WAIT_MS = 500;
export const IP_LISTS_RETRY_MS = 5_000;
/** Entries of both lists: every isolate keeps them in memory. */
export const IP_RULES_MAX = 1_000;
/** Tries to write an event of the audit trail, five minutes apart at last: some eight hours of D1 being away. */
export const AUDIT_RETRIES_MAX = 95;
/** How long a key counts as in flight while its first answer is awaited, outside of accounts: the contract's figure. */
export const ONCE_LEASE_MS = 60_000;
/** How long a first answer is kept outside of accounts: the contract's day, and an hour for clocks that differ. */
export const ONCE_KEPT_MS = 25 * 3_600_000;
/** A sign-in with a provider that takes longer has been left: its cookie, and what it remembers of used ones, end then. */
export const SIGN_IN_MAX_MS = 600_000;
/** What is remembered of a used sign-in outlasts its cookie by this: isolates' clocks differ. */
export const SIGN_IN_SPARE_MS = 60_000;
/** Where a page wants its visitor back: it travels in a cookie, of which browsers keep 4 KB. */
export const RETURN_TO_CHARS_MAX = 500;
/** Failures in a row after which a provider is asked no more for now: fewer happen to one that is well. */
export const OUTSIDE_FAILURES_MAX = 5;
/** How long it is left alone then, before one call looks whether it is back: outages last for minutes, restarts for less. */
export const OUTSIDE_OPEN_MS = 10_000;
/** First and longest pause before a further try, of which a random part is waited: somebody waits, and all wait for the same. */
export const OUTSIDE_RETRY_FIRST_MS = 200;
export const OUTSIDE_RETRY_MAX_MS = 1_000;
/** How long beyond its time a call may hold its lane: whoever has gone by then never gives it back. */
export const OUTSIDE_LOST_MS = 5_000;
/** Calls of one isolate to one host at once. Isolates serve thousands of requests: one slow provider must not hold them all. */
export const OUTSIDE_LANES_MAX = 32;
/** One answer of a provider: documents, keys and payments have a few KB. */
export const OUTSIDE_ANSWER_BYTES_MAX = 262_144;
/** All calls to a provider for one step of a sign-in: somebody waits in front of an empty page. */
export const PROVIDER_WAIT_MS = 6_000;
/** One of two tries to read something there: both fit into the step with the code's own call, which is made once. */
export const PROVIDER_TRY_MS = 2_500;
export const PROVIDER_TRIES_MAX = 2;
/** A call to the payment provider: a customer waits for a deposit to begin. Asked under a key, so a second try is safe. */
export const PAYMENT_CALL_MS = 8_000;
export const PAYMENT_TRY_MS = 4_000;
export const PAYMENT_TRIES_MAX = 2;
/** A call to the mail provider: nobody waits, the queue comes again; one more try mends a lost connection at once. */
export const MAIL_CALL_MS = 20_000;
export const MAIL_TRY_MS = 10_000;
export const MAIL_TRIES_MAX = 2;
/** E-mails of one isolate on their way at once: a queue's batch sends one after the other, and providers take few a second. */
export const MAIL_LANES_MAX = 10;
/** How long an isolate goes by what a provider says of its addresses. */
export const PROVIDER_METADATA_AGE_MS = 3_600_000;
/** How long a sign-in waits for its code: long enough to find one's telephone. */
export const MFA_TOKEN_TTL_MS = 300_000;
/** How long a password or a code counts for what asks for a fresh one: the field's usual ten minutes. */
export const STEP_UP_MS = 600_000;
/** Earlier sign-ins that a new one is compared with: a year of one a day, and more than anybody has devices. */
export const DEVICES_REMEMBERED_MAX = 400;
/** Accounts that a check looks at together: their rows are one D1 batch of some 3 MB at most, and each is one call. */
export const CHECK_ACCOUNTS_MAX = 20;
/** Orders and entries of one object that a check compares row by row, from where the last one ended: it goes round. */
export const CHECK_ROWS_MAX = 100;
/** Breaks of one object in a check: what is wrong throughout is said often enough. */
export const CHECK_BREAKS_MAX = 50;
/** Time for checks, and for liabilities, in one run of the cron, which rings every minute. */
export const CHECK_MS_MAX = 20_000;
/** Slices in one run of the cron: D1 takes a thousand statements in each, and a slice is some fifteen. */
export const CHECK_SLICES_MAX = 50;
/** Pause between the beginnings of two checks: each wakes every account. */
export const CHECK_EVERY_MS = 600_000;
/** Age of a check that has not ended from which on it is left, and another one begins: it met what it cannot go on with. */
export const CHECK_GIVEN_UP_MS = 21_600_000;
/** How long finished checks are kept: one is a row. */
export const CHECKS_KEPT_MS = 30 * 86_400_000;
/** Accounts without an answer that a check asks once more at its end; of further ones it says that it could not judge. */
export const CHECK_UNREACHED_MAX = 500;
/** Age of the last finished check from which on it is called stale: three checks should have ended since. */
export const CHECK_STALE_MS = 1_800_000;
/** How long D1 may lack what an object has journalled before that is a break: the queue's ten retries are over by then. */
export const CHECK_LAG_MS = 3_600_000;
/** Tries to ask an account that has not applied a report yet, and the pause between: reports take some milliseconds. */
export const CHECK_PAIR_TRIES = 3;
export const CHECK_PAIR_PAUSE_MS = 200;
/** Rows that an examined object looks back over for its last entry: a few ms. */
export const EXAM_HEAD_ROWS_MAX = 2_000;
/** Rows after the last that D1 has applied which an examined account looks through: more is lag, and waits. */
export const EXAM_MOVED_ROWS_MAX = 5_000;
/** Open orders up to which an examined market looks through its book: some 50 ms. */
export const EXAM_ORDERS_MAX = 50_000;
/** Reports whose money a market adds up at once for a check: a few ms. */
export const EXAM_OWED_ROWS_MAX = 1_000;
/** How long after the full hour a round of liabilities begins: objects' clocks must have passed it. */
export const LIABILITY_GRACE_MS = 30_000;
/** How long a round waits for accounts that do not answer, before it is closed without them, and says so. */
export const LIABILITY_WAIT_MS = 1_800_000;
/** Accounts asked at once for a round; each answers with a few balances. */
export const LIABILITY_ACCOUNTS_MAX = 50;
/** Nodes of one storey of the tree that are folded together: 2^8, so that only every eighth level is stored. */
export const LIABILITY_BLOCK_NODES = 256;
/** How long one may ask for a proof; roots are kept for ever. A round of 100,000 accounts has 40 MB of nodes. */
export const LIABILITY_NODES_KEPT_MS = 3 * 86_400_000;
/** Nodes forgotten in one run of the cron: more than rounds of 100,000 accounts bring in a minute. */
export const LIABILITY_FORGET_MAX = 5_000;
/** A task's title: one line of a list, and of an e-mail. */
export const TASK_TITLE_CHARS_MAX = 200;
/** A task's notes: some pages; a list of 200 tasks with such notes is 2 MB. */
export const TASK_NOTES_CHARS_MAX = 10_000;
/** Tasks of one user that are not deleted: searching and sorting looks at all of them, in some milliseconds. */
export const TASKS_PER_USER_MAX = 5_000;
/** Tasks of one bulk act, as orders of one batch: each is a statement of one D1 batch. */
export const TASK_BULK_MAX = 100;
/** What somebody searches for: longer than any word, shorter than an address of a request may be. */
export const TASK_SEARCH_CHARS_MAX = 100;
/** How far a due date may be from now: what is farther is a mistyped year. */
export const TASK_DUE_AHEAD_MAX_MS = 3_653 * 86_400_000;
export const TASK_DUE_BEHIND_MAX_MS = 366 * 86_400_000;
/** Tries to store a change over the version that it was made from, where no version is asked for: another one came between. */
export const TASK_WRITE_TRIES = 5;
/** How long before its due date a task's reminder is sent: time enough to still do something. */
export const TASK_REMIND_AHEAD_MS = 3_600_000;
/** How late a reminder may be: after an outage of a day it would tell nobody anything new. */
export const TASK_REMIND_LATE_MAX_MS = 86_400_000;
/** Reminders of one run of the cron: the queue takes a hundred messages in one call, and the next run comes in a minute. */
export const TASK_REMINDERS_PER_RUN = 1_000;
/** How long a request waits for D1 to take a write that could wait in a buffer: longer ties up who asks, for no better answer. */
export const BUFFER_D1_WAIT_MS = 2_000;
/** Writes and conflicts that one user's buffer keeps: an hour of somebody busy; each read of theirs looks at all of them. */
export const BUFFER_WRITES_MAX = 500;
/** Bytes of them: they go to each request of their owner in one call. */
export const BUFFER_BYTES_MAX = 1_000_000;
/** How long a request waits for its user's buffer to empty itself: D1 takes a write within some milliseconds, or is away. */
export const BUFFER_LOOK_WAIT_MS = 200;
/** Writes that a buffer does in a row: then it lets others have a word, and its alarm goes on. */
export const BUFFER_DRAIN_MAX = 100;
/** Failures in a row after which a person should look at why a buffer does not empty: with its pauses, a quarter of an hour. */
export const BUFFER_ALERT_FAILURES = 35;
/** How long it is remembered which writes were done: longer than any write waits or is late. */
export const APPLIED_WRITES_KEPT_MS = 30 * 86_400_000;
/** Pause between the beginnings of two backups: what a loss of everything would cost at most, with the time that one takes. */
export const BACKUP_EVERY_MS = 3_600_000;
/** Time for a backup in one run of the cron, and its slices: each is one stored part and one statement to D1. */
export const BACKUP_MS_MAX = 20_000;
export const BACKUP_SLICES_MAX = 20;
/** Age of a backup that has not ended from which on it is left, and another one begins. */
export const BACKUP_GIVEN_UP_MS = 21_600_000;
/** Accounts that one slice asks; most have a few KB. */
export const BACKUP_ACCOUNTS_MAX = 50;
/** Journal text in one part: it is held a few times in a memory of 128 MB, as text, packed, sealed, and read back. */
export const BACKUP_PART_CHARS = 4_000_000;
/** Journal text asked of an object at once: some ms of its time. */
export const BACKUP_PAGE_BYTES = 500_000;
/** Rows of one table in a slice. */
export const BACKUP_ROWS_MAX = 500;
/** Objects without an answer that a backup asks once more and names; with more than that it is given up. */
export const BACKUP_MISSING_MAX = 500;
/** Finished backups that are kept whatever their age, and of how many days and weeks the last one is. */
export const BACKUPS_LATEST_KEPT = 6;
export const BACKUP_DAYS_KEPT = 7;
export const BACKUP_WEEKS_KEPT = 5;
/** Backups that are forgotten in one run of the cron: each may have a thousand parts. */
export const BACKUPS_FORGOTTEN_MAX = 2;
