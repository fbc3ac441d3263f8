// SPDX-License-Identifier: BSD-3-Clause
// model: mutants=MUTANT_check_then_sleep,MUTANT_leave_unverified,MUTANT_leave_unlocked,MUTANT_swallow,MUTANT_touch_after,MUTANT_no_reference
// model: mutants=MUTANT_move_one_lock states=100000
/*
 * posix/futex.c: wait, wake, requeue, leave. WAITERS threads wait on word 0, each for ever or with a limit that ends at any moment (time-out, signal);
 * one process moves waiters from word 0 to word 1 and back, one changes word 0 and wakes, on both. The words are in
 * two buckets. One step of a process is one access outside of a lock, or a section under it that touches nothing outside of it; who holds
 * which lock is explicit, so that sections of different locks interleave.
 *
 * Checked: no lost wake-up (at the end nobody sleeps: whoever reads the new value does not queue, whoever queued before is woken); exact
 * accounting (as many waits return 0 as wakes were counted, none swallowed by a time-out); a waiter's place in a list is used under the lock of
 * the bucket it is in, and never after its thread has left the call (nothing dangles); a thread that is woken has not been freed.
 * Not here: several threads for a batch, bitsets, faults. The scheduler's own protocol is that of sched/sched.h, atomic here.
 */
#define WAITERS 2
#define MOVES	2
#define NOBODY	255

mtype = { RUNNING, BLOCKING, BLOCKED };

byte word;		   /* word 0; word 1 stays 0 */
byte holder[2] = NOBODY;   /* locks of the buckets */
bool linked[WAITERS];
byte bucket[WAITERS];
bool woken[WAITERS];
bool there[WAITERS];	   /* the waiter, on its thread's stack, exists */
byte refs[WAITERS] = 1;    /* of the thread */
mtype state[WAITERS] = RUNNING;
byte counted, zeros, left, moves_left = MOVES;
bool mover_done;

inline take(b)
{
	atomic { holder[b] == NOBODY -> holder[b] = _pid }
}

inline drop(b)
{
	assert(holder[b] == _pid);
	holder[b] = NOBODY
}

/* The list of the bucket that w is in is read or changed. */
inline touch(w)
{
	assert(there[w] && holder[bucket[w]] == _pid)
}

proctype waiter(byte w)
{
	bool limited, patience = true, mine, was_woken;
	byte b;

	if
	:: limited = true
	:: limited = false
	fi;

#ifdef MUTANT_check_then_sleep
	if
	:: word != 0 -> goto out
	:: else
	fi;
#endif
	take(0);
	/* the read of the word, another step than the queuing: the word is changed without the lock */
#ifndef MUTANT_check_then_sleep
	if
	:: word != 0 -> drop(0); goto out
	:: else
	fi;
#endif
	d_step { there[w] = true; bucket[w] = 0; linked[w] = true };
	drop(0);

	do
	:: state[w] = BLOCKING;
	   if
	   :: woken[w] -> break
	   :: else
	   fi;
	   if
	   :: limited -> patience = false; break /* time-out or signal */
	   :: true
	   fi;
	   atomic {
		if
		:: state[w] == BLOCKING -> state[w] = BLOCKED
		:: else
		fi
	   };
	   /* a time-out ends the sleep as well */
	   if
	   :: state[w] == RUNNING
	   :: atomic { limited && state[w] == BLOCKED -> state[w] = RUNNING; patience = false }; break
	   fi
	od;
	state[w] = RUNNING;
	if
	:: patience -> zeros++
	:: else ->
again:
	   b = bucket[w];
#ifndef MUTANT_leave_unlocked
	   take(b);
#endif
	   d_step {
#ifdef MUTANT_leave_unverified
		mine = true;
#else
		mine = bucket[w] == b;
#endif
		was_woken = woken[w];
		if
		:: mine && !was_woken -> touch(w); linked[w] = false
		:: else
		fi
	   };
#ifndef MUTANT_leave_unlocked
	   drop(b);
#endif
	   if
	   :: !mine -> goto again
	   :: mine && was_woken ->
#ifndef MUTANT_swallow
	      zeros++
#else
	      skip
#endif
	   :: else
	   fi
	fi;
	d_step { assert(!linked[w]); there[w] = false };
out:
	skip;
	/* the thread ends: its own reference */
	d_step { refs[w]--; left++ }
}

proctype mover()
{
	byte i, from, to;

	do
	:: moves_left == 0 -> break
	:: moves_left > 0 ->
	   moves_left--;
	   from = moves_left % 2;
	   to = 1 - from;
	   /* by address */
#ifndef MUTANT_move_one_lock
	   take(0);
	   take(1);
#else
	   take(from);
#endif
	   i = 0;
	   do
	   :: i == WAITERS -> break
	   :: i < WAITERS ->
	      if
	      :: linked[i] && bucket[i] == from ->
		 d_step { touch(i); assert(!woken[i]); bucket[i] = to; touch(i) }
	      :: else
	      fi;
	      i++
	   od;
#ifndef MUTANT_move_one_lock
	   drop(1);
	   drop(0)
#else
	   drop(from)
#endif
	od;
	mover_done = true
}

/* Wake all who are in the list of bucket b. */
inline wake_all(b)
{
	take(b);
	i = 0;
	do
	:: i == WAITERS -> break
	:: i < WAITERS ->
	   if
	   :: linked[i] && bucket[i] == b ->
	      d_step {
		touch(i);
		assert(refs[i] > 0);
#ifndef MUTANT_no_reference
		refs[i]++;
#endif
		batch[i] = true;
		counted++
	      };
#ifdef MUTANT_touch_after
	      woken[i] = true;
	      d_step { touch(i); linked[i] = false }
#else
	      linked[i] = false;
	      /* the last access: the waiter may leave from here on */
	      woken[i] = true
#endif
	   :: else
	   fi;
	   i++
	od;
	drop(b);
	i = 0;
	do
	:: i == WAITERS -> break
	:: i < WAITERS ->
	   if
	   :: batch[i] ->
	      /* thread_wake() */
	      atomic { assert(refs[i] > 0); state[i] = RUNNING };
	      d_step {
#ifndef MUTANT_no_reference
		refs[i]--;
#endif
		batch[i] = false
	      }
	   :: else
	   fi;
	   i++
	od
}

proctype waker()
{
	bool batch[WAITERS];
	byte i;

	word = 1;
	wake_all(0);
	/* who was moved meanwhile is found at the other word, or, moved back, at the first again */
	mover_done;
	wake_all(1);
	wake_all(0);
	/* everybody leaves: what is left asleep here is a lost wake-up (invalid end state) */
	left == WAITERS;
	assert(counted == zeros)
}

init
{
	byte w;

	atomic {
		w = 0;
		do
		:: w == WAITERS -> break
		:: w < WAITERS -> run waiter(w); w++
		od;
		run mover();
		run waker()
	}
}
