// SPDX-License-Identifier: BSD-3-Clause
// model: mutants=MUTANT_sleep_unlocked:safety,MUTANT_clear_waiters:safety,MUTANT_no_second_look:safety,MUTANT_hand_over_keeps:safety,MUTANT_never_hand_over:enters
// model: states=50000
/*
 * sched/mutex.c: threads that lock and unlock one mutex; one step of a process is one access to `word` (owner and waiters are one
 * word), to a thread's state, or to what `lock` guards. Modelled: inline lock and unlock, newcomers that take a free mutex, the
 * queue, spinning as a look after `lock` was given up, sleep and wake-up as in sched/sched.h, time-outs of thread 1, hand-over
 * after LIMIT passes. `lock` is a ticket lock, for the real one is fair. Not here: recursion, conditions' requeuing, orders
 * weaker than sequentially consistent, the grace before a spinner takes a free mutex (it only makes taking rarer).
 *
 * Checked: mutual exclusion; nobody sleeps for ever (an end state in which a thread is not done); at the end the mutex is free and
 * the queue empty; WAITERS is set exactly while somebody is queued, outside sections of `lock`; `enters`: thread 2, which has no
 * deadline, gets the mutex whenever it wants it, while the others come back for ever.
 */
#ifdef SEARCH_enters
#define THREADS 2
#define TIMEOUTS 1
#else
#define THREADS 3
#define ROUNDS 2 /* of thread 3: 1 */
#define TIMEOUTS 1
#endif
#define LIMIT 2
#define SPINS 1 /* of each wait */

mtype = { RUNNING, BLOCKING, BLOCKED };

byte owner; /* with waiters: one word */
bool waiters;
byte queue[THREADS]; /* [lock] */
byte queued;
bool asleep[THREADS + 1];
byte passed[THREADS + 1];
mtype state[THREADS + 1] = RUNNING;
byte next_ticket, serving;
byte timeouts = TIMEOUTS;
byte inside, done;
bool wants;

#define TICKETS (THREADS + 1)

inline lock_queue()
{
	atomic {
		ticket = next_ticket;
		next_ticket = (next_ticket + 1) % TICKETS
	};
	serving == ticket
}

inline unlock_queue()
{
	atomic {
		ticket = 0;
		serving = (serving + 1) % TICKETS
	}
}

inline enqueue()
{
	atomic {
		queue[queued] = me;
		queued++;
		passed[me] = 0
	};
	waiters = true
}

/* Off the queue, wherever it is. */
inline unlink(who)
{
	d_step {
		i = 0;
		do
		:: queue[i] == who -> break
		:: else -> i++
		od;
		queued--;
		do
		:: i < queued -> queue[i] = queue[i + 1]; i++
		:: else -> break
		od;
		queue[i] = 0;
		i = 0
	}
}

inline dequeue()
{
	unlink(me);
	if
#ifdef MUTANT_clear_waiters
	:: waiters = false
#else
	:: queued == 0 -> waiters = false
	:: else
#endif
	fi
}

/* thread_wake(): a locked instruction on its state */
inline wake(who)
{
	if
	:: asleep[who] -> asleep[who] = false; state[who] = RUNNING
	:: else
	fi
}

/* By the code of thread_block(). `late`: the timer of thread 1 may end it. */
inline block()
{
	if
	:: atomic { state[me] == BLOCKING -> state[me] = BLOCKED }
	:: state[me] == RUNNING
	fi;
	if
	:: state[me] == RUNNING
	:: atomic { me == 1 && state[me] == BLOCKED && timeouts > 0 -> state[me] = RUNNING }
	fi
}

proctype thread(byte me)
{
	byte ticket, seen, i, spins;
#ifndef SEARCH_enters
	byte rounds;
#endif

again:
#ifndef SEARCH_enters
	if
	:: atomic { rounds == (me == 3 -> 1 : ROUNDS) -> done++; goto end }
	:: else -> rounds++
	fi;
#endif
	if
	:: me == 2 -> wants = true
	:: else
	fi;
	/* inline, then take() */
	if
	:: atomic { owner == 0 && !waiters -> owner = me; goto locked }
	:: atomic { owner != 0 || waiters -> skip }
	fi;
	if
	:: atomic { owner == 0 -> owner = me; goto locked }
	:: atomic { owner != 0 -> skip }
	fi;
	lock_queue();
	enqueue();
	spins = SPINS;
#ifdef MUTANT_no_second_look
	goto sleep;
#endif
look:
	seen = owner;
	if
	:: atomic { seen == me -> seen = 0; goto handed }
	:: atomic { seen == 0 && queue[0] == me ->
		if
		:: owner == 0 -> owner = me; goto took
		:: else -> goto look
		fi }
	:: else
	fi;
	seen = 0;
	if
	:: atomic { me == 1 && timeouts > 0 -> timeouts--; goto timed_out }
	:: atomic { queue[0] == me && spins > 0 -> spins--; goto spin }
	:: goto sleep
	fi;
spin:
	unlock_queue();
	lock_queue();
	goto look;
sleep:
#ifdef MUTANT_sleep_unlocked
	unlock_queue();
	asleep[me] = true;
	state[me] = BLOCKING;
#else
	asleep[me] = true;
	state[me] = BLOCKING;
	unlock_queue();
#endif
	block();
	lock_queue();
	asleep[me] = false;
	spins = SPINS;
	goto look;
timed_out:
	dequeue();
	assert(waiters == (queued > 0));
	unlock_queue();
	spins = 0;
	goto again;
took:
	dequeue();
handed:
#ifndef MUTANT_clear_waiters
	assert(waiters == (queued > 0));
#endif
	unlock_queue();
	spins = 0;
locked:
	atomic {
		inside++;
		assert(inside == 1);
		if
		:: me == 2 -> wants = false
		:: else
		fi
	};
	inside--;
	/* unlock, inline */
	if
	:: atomic { owner == me && !waiters -> owner = 0; goto again }
	:: atomic { waiters -> assert(owner == me) }
	fi;
	lock_queue();
	if
	:: queued == 0 -> owner = 0
	:: else ->
		seen = queue[0];
		if
		:: passed[seen] < LIMIT -> passed[seen]++
		:: else
		fi;
		if
#ifndef MUTANT_never_hand_over
		:: passed[seen] >= LIMIT ->
#ifndef MUTANT_hand_over_keeps
			unlink(seen);
#endif
			atomic {
				owner = seen;
				waiters = queued > 0
			}
		:: else -> owner = 0
#else
		:: owner = 0
#endif
		fi;
		wake(seen);
		seen = 0
	fi;
	unlock_queue();
	goto again;
end:
	skip
}

init
{
	byte i;

	atomic {
		for (i : 1 .. THREADS) {
			run thread(i)
		}
	};
	done == THREADS;
	assert(owner == 0 && !waiters && queued == 0)
}

ltl enters { [] (wants -> <> !wants) }
