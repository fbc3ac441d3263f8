// SPDX-License-Identifier: BSD-3-Clause
// model: mutants=MUTANT_plain_leave:safety,MUTANT_idle_owes:safety,MUTANT_irq_in_section:safety,MUTANT_irq_reads_idle:safety,MUTANT_skip_one:safety,MUTANT_look_first:safety,MUTANT_idle_not_looked_at:safety states=1000000
/*
 * sync/rcu.c and the sleeping half of sched/rcu.c: two CPUs that read, switch, halt and take interrupts; a writer that takes objects out
 * and queues their callbacks; the thread that sleeps until there are some, asks the CPUs, waits for their answers and frees.
 *
 * One step is one access of shared memory. All changes of a CPU's word are locked instructions, so there are no store buffers, but
 * for MUTANT_plain_leave, in which the CPU leaves the idle state by a plain store: that stands in a buffer of one entry which is
 * emptied at any later moment, at the latest by the CPU's next locked instruction, while its reads go past it. An interrupt comes between any
 * two steps of a CPU: in a section, outside, while it is halted; its handler reads. A CPU that has nothing to do any more halts.
 *
 * Not modelled: a CPU that comes late (its word is replaced by itself, as IDLE is), the IPI to a silent CPU (an interrupt may come
 * at any time anyway), how the last answer wakes the thread (it has a time-out as well), several lists of callbacks, barrier().
 *
 * Checked: no reader uses an object that has been freed; all callbacks run (else the writer waits for ever: an invalid end).
 */
#define CPUS   2
#define TURNS  2
#define TAKEN  2 /* objects that the writer takes out: 0, 1; the last one is 2 */
#define NOBODY 9

mtype = { RUNNING, OWES, IDLE };

mtype word[CPUS] = RUNNING;
bool buffered[CPUS];
byte missing;
byte pointer = 0;	/* the object that readers find */
bool freed[TAKEN + 1];
byte queued;		/* callbacks on the list: objects first .. first + queued - 1 */
byte first;
bool asleep, woken;	/* woken: the thread is RUNNING again */
byte ran;

inline empty_buffer(c)
{
	if
	:: buffered[c] -> word[c] = RUNNING; buffered[c] = false
	:: else
	fi
}

/* rcu_report() */
inline report(c)
{
	atomic {
		empty_buffer(c);
		if
		:: word[c] == OWES -> word[c] = RUNNING; owed = true
		:: else -> owed = false
		fi
	}
	if
	:: owed -> missing--
	:: else
	fi
	owed = false
}

/* A read section: the pointer, then two uses; an interrupt may come between. */
inline read(c)
{
	p = pointer;
	assert(!freed[p]);
#ifdef MUTANT_irq_in_section
	if
	:: word[c] == OWES -> report(c)	/* the interrupt does not look at the preemption count */
	:: skip
	fi;
#endif
	assert(!freed[p]);
	p = 0
}

/* rcu_idle_leave() */
inline leave(c)
{
#ifdef MUTANT_plain_leave
	buffered[c] = true
#else
	word[c] = RUNNING
#endif
}

proctype cpu(byte c)
{
	byte p, turn;
	bool owed, halted;

	do
	:: turn < TURNS ->
		turn++;
		if
		:: true -> read(c)
		:: true -> report(c)		/* a switch, or an interrupt at count 0 ... */
		:: true -> report(c); read(c)	/* ... whose handler reads */
		:: true -> /* rcu_idle_enter() */
			atomic {
				empty_buffer(c);
				if
				:: word[c] == RUNNING -> word[c] = IDLE; halted = true
#ifdef MUTANT_idle_owes
				:: word[c] == OWES -> word[c] = IDLE; halted = true
#else
				:: word[c] == OWES -> halted = false
#endif
				fi
			}
			if
			:: halted ->
				if
#ifdef MUTANT_irq_reads_idle
				:: true -> read(c); leave(c)
#else
				:: true -> leave(c); read(c)	/* an interrupt while it is halted */
#endif
				:: true -> leave(c)
				fi
			:: else -> report(c)
			fi;
			halted = false
		fi
	:: else -> break
	od;
	/* for good */
	do
	:: true -> atomic {
		empty_buffer(c);
		if
		:: word[c] == RUNNING -> word[c] = IDLE; halted = true
#ifdef MUTANT_idle_owes
		:: word[c] == OWES -> word[c] = IDLE; halted = true
#endif
		:: else
		fi
	   }
		if
		:: halted -> break
		:: else -> report(c)
		fi
	od
}

#ifdef MUTANT_plain_leave
/* The buffers of the CPUs. */
proctype drain(byte c)
{
end:	do
	:: atomic { buffered[c]; word[c] = RUNNING; buffered[c] = false }
	od
}
#endif

proctype writer()
{
	bool was;

	do
	:: pointer < TAKEN ->
		pointer++;			/* takes the old one out */
		queued++;			/* rcu_push() */
		if
		:: asleep -> atomic { was = asleep; asleep = false }
			if
			:: was -> woken = true
			:: else
			fi
		:: else
		fi
	:: else -> break
	od;
	ran == TAKEN
}

proctype thread()
{
	byte n, c;
	bool asked;

	do
	:: ran == TAKEN -> break
	:: else ->
		/* wait_for_work() */
		do
		:: queued -> break
		:: else ->
			woken = false;		/* prepare */
#ifdef MUTANT_look_first
			if
			:: queued -> skip
			:: else -> asleep = true; woken
			fi;
#else
			asleep = true;
			if
			:: queued -> skip
			:: else -> woken
			fi;
#endif
			asleep = false
		od;
		atomic { n = queued; queued = 0 }
		/* rcu_gp_begin() */
		missing = CPUS + 1;
		c = 0;
		do
		:: c < CPUS ->
			atomic {
				if
#ifdef MUTANT_skip_one
				:: c == 1 -> asked = false
#endif
				:: word[c] == RUNNING -> word[c] = OWES; asked = true
				:: else -> asked = false
				fi
			}
#ifdef MUTANT_idle_not_looked_at
			asked = true;	/* it waits for idle ones, too */
#endif
			if
			:: !asked -> missing--
			:: else
			fi;
			c++
		:: else -> break
		od;
		missing--;
		/* sleeps until the last answer, or looks again after a time */
		missing == 0;
		c = 0;
		do
		:: n -> freed[first] = true; first++; n--; ran++
		:: else -> break
		od
	od
}

init {
	atomic {
		run cpu(0);
		run cpu(1);
		run writer();
		run thread();
#ifdef MUTANT_plain_leave
		run drain(0);
		run drain(1)
#endif
	}
}
