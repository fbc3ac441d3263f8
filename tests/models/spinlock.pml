// SPDX-License-Identifier: BSD-3-Clause
// model: mutants=MUTANT_blind_promotion,MUTANT_free_when_leaving,MUTANT_no_pass:enters,MUTANT_word_unlock:enters,MUTANT_early_free
// model: states=100000
/*
 * sync/spinlock.c: three CPUs that take one lock ROUNDS times each, with two nodes each; one step of a process is one atomic access
 * of the code. Not here: interrupts (a node is claimed by one step) and orders weaker than sequentially consistent.
 *
 * A waiter leaves the queue whenever it likes, LEAVES times in all: what the time slices of descheduled CPUs cost is bounded by
 * their number, after that everybody who waits enters. Checked: mutual exclusion; a node in use is claimed by nobody; only a node in
 * a queue is made its head; at the end the word is 0 and every node free; no CPU is stuck; whoever wants the lock gets it.
 */
#define CPUS 3
#ifdef SEARCH_safety
#define ROUNDS 3
#define LEAVES 3
#else
#define ROUNDS 2
#define LEAVES 2 /* fairness makes five times as many states */
#endif
#define NONE   0
#define PASSED 15

mtype = { FREE, WAITING, HEAD, ABANDONED };

bool locked;
byte tail = NONE; /* locked and tail are one word */
mtype state[7] = FREE; /* node k of CPU c is 1 + 2c + k */
byte next[7];
byte leaves = LEAVES;
byte inside, done;
bool wants;

/* Nobody may look at a free node's link any more, so that what is in it makes no difference. */
inline free(x_)
{
	state[x_] = FREE;
	next[x_] = NONE
}

/* The node `x` is at the front, the caller has the lock: make the one behind it the head. */
inline pass()
{
	do
	:: atomic {
		assert(state[x] != FREE);
		n = next[x];
		if
		:: n == NONE
		:: else -> goto linked
		fi
	   };
	   /* compare-and-swap of the word: nobody behind x */
	   atomic {
		if
		:: tail == x -> tail = NONE
		:: else -> goto somebody
		fi
	   };
	   atomic { free(x); break };
somebody:
#ifdef MUTANT_no_pass
	   atomic { free(x); break };
#endif
	   /* compare-and-swap of the link */
	   atomic {
		n = next[x];
		if
		:: n == NONE -> next[x] = PASSED; break
		:: else
		fi
	   };
linked:
	   atomic { assert(n != PASSED && state[x] != FREE); free(x); x = NONE };
	   atomic {
#ifdef MUTANT_blind_promotion
		state[n] = HEAD;
		break
#else
		assert(state[n] == WAITING || state[n] == ABANDONED);
		if
		:: state[n] == WAITING -> state[n] = HEAD; break
		:: else -> x = n; n = NONE
		fi
#endif
	   }
	od;
	n = NONE;
	x = NONE
}

proctype cpu(byte c)
{
	byte me, prev, n, x, rounds;

	do
	:: rounds == ROUNDS -> break
	:: atomic { rounds < ROUNDS -> rounds++; wants = wants || c == 0 };
	/* the fast path */
	atomic {
		if
		:: !locked && tail == NONE -> locked = true; goto got
		:: else
		fi
	};
queue:
	atomic {
		if
		:: state[1 + 2 * c] == FREE -> me = 1 + 2 * c
		:: state[1 + 2 * c] != FREE && state[2 + 2 * c] == FREE -> me = 2 + 2 * c
		:: else -> me = NONE; goto test_and_set
		fi;
		state[me] = WAITING;
		next[me] = NONE
	};
	atomic {
		prev = tail;
		if
		:: !locked && tail == NONE -> locked = true; goto got_at_once
		:: else -> tail = me
		fi;
		if
		:: prev == NONE -> goto head
		:: else
		fi
	};
	/* link: one exchange */
	atomic {
		assert(state[prev] != FREE);
		n = next[prev];
		next[prev] = me;
		if
		:: n == PASSED -> n = NONE
		:: else -> assert(n == NONE); prev = NONE; goto wait
		fi
	};
	atomic { free(prev); prev = NONE; goto head };
wait:
	do
	:: state[me] == HEAD -> break
	:: atomic {
		state[me] == WAITING && leaves > 0 -> leaves--;
#ifdef MUTANT_free_when_leaving
		free(me);
#else
		state[me] = ABANDONED;
#endif
		me = NONE;
		goto test_and_set
	   }
	od;
head:
	atomic {
		!locked ->
		locked = true;
		if
		:: tail == me -> tail = NONE; goto got_at_once
		:: else -> x = me; me = NONE
		fi
	};
#ifdef MUTANT_early_free
	state[x] = FREE;
#endif
	pass();
	goto got;
got_at_once:
	atomic { free(me); me = NONE; goto got };
test_and_set:
	atomic {
		if
		:: !locked -> locked = true
		:: else -> goto queue
		fi
	};
got:
	atomic { inside++; assert(inside == 1); wants = wants && c != 0 };
	inside--;
#ifdef MUTANT_word_unlock
	atomic { locked = false; tail = NONE }
#else
	locked = false
#endif
	od;
	atomic {
		done++;
		if
		:: done == CPUS ->
			assert(!locked && tail == NONE);
			for (x : 1 .. 6) {
				assert(state[x] == FREE)
			};
			x = 0
		:: else
		fi
	}
}

init
{
	atomic { run cpu(0); run cpu(1); run cpu(2) }
}

ltl enters { [] (wants -> <> !wants) }
