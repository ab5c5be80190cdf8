"""Phrases of distress by language, as regular expressions over plain words.

The words are in lower case, without accents and apostrophes (`dont`), with one space between them;
an expression is about one sentence and stands between word borders. Another language is another
entry of PHRASES. Phrases were written for this table and are taken from no list.
"""

# ruff: noqa: E501, ISC004  an expression is easier to read in one piece; a long one has no brackets

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LanguagePhrases:
    """The phrases of one language.

    Attributes:
        statements: distress however the sentence goes on; negation is part of them.
        wishes: distress unless a negation stands between them and the subject before them.
        subjects: words for the speaker, at which a new clause begins.
        negations: what negates a wish.
        no_negations: what looks like a negation and is none (`I cannot stop wanting to die`).
        harmless: figures of speech; they are taken out of a sentence before anything is looked for.
    """

    statements: tuple[str, ...]
    wishes: tuple[str, ...] = ()
    subjects: tuple[str, ...] = ()
    negations: tuple[str, ...] = ()
    no_negations: tuple[str, ...] = ()
    harmless: tuple[str, ...] = ()


_ANY = r"(?:\w+ ){0,3}?"
_MORE = r"(?: anymore| any more| any longer| no more)"
_MY_WISH = (
    rf"(?:i|im|ive|id) {_ANY}(?:want|wanna|wanted|wanting|wish|hope|ready|decided|planning|plan|"
    rf"deserve|need|prefer|tempted|feel like|feels like|should|could|rather|just|tried|thinking of|thinking about|thought of|thought about|think of|"
    rf"think about)(?: to| i could| i can| i)?(?: just| really| only| finally)?"
)
_SHORT_WISH = r"^(?:just |really |only |honestly |literally |please )*(?:want to|wanna|wish i could|wanting to)"
_DIE = (
    r"(?:die|dying|be dead|being dead|disappear(?: forever| for good| from this world|$)|stop existing|cease to exist|"
    r"not exist|stop living|not be alive|not be here anymore|not wake up|never wake up|sleep forever|sleep and never wake up|"
    r"(?:go to|fall) (?:sleep|asleep) and (?:not|never) wake up|be gone(?: forever| for good|$)|leave this (?:world|life)|end it all|end it(?: tonight| for good|$)|kms|unalive)"
)
_SELF = r"(?:myself|my self)"

ENGLISH = LanguagePhrases(
    statements=(
        # not wanting to live
        r"(?:dont|do not|didnt|never) (?:\w+ )?(?:deserve|feel like|enjoy) (?:to live|living|being alive|to be alive)",
        r"(?:shouldnt|should not) be alive", r"should(?:ve| have)? (?:be|been) dead",
        r"(?:cant|cannot) (?:bear|stand|do|take|face|handle|deal with) (?:life|living|being alive|to live|existing)",
        r"i (?:\w+ ){0,3}?(?:rather|prefer to) (?:be dead|not be alive|not be here|not exist)",
        r"(?:please )?(?:just )?let me die$", r"(?:want|wish) (?:my|this) life (?:to|would) (?:end|be over|stop)",
        r"(?:want|wish) (?:it all|everything) (?:to|would) (?:end|be over|stop)",
        r"dont (?:feel like i )?belong in this world",
        rf"i {_ANY}(?:dont|do not|no longer|didnt|did not|never) (?:really |even |actually )?(?:want|wanna|wanted)(?: to)? "
        rf"(?:live|be alive|exist|keep living|go on living|continue living|carry on|live{_MORE}|be here{_MORE}|"
        rf"go on(?:{_MORE}| like this|$)|keep going{_MORE}|wake up(?:{_MORE}| tomorrow| ever| again|$))",
        rf"i (?:just |really )?(?:cant|cannot|can not) (?:go on(?:{_MORE}| like this| living|$)|keep living|carry on(?:{_MORE}|$)|live{_MORE}|"
        rf"live like this|cope{_MORE}|see a way out|keep going{_MORE})",
        r"(?:i|im|ive) (?:\w+ ){0,2}?(?:tired|sick|weary|done|finished|fed up) (?:of|with) (?:living|being alive|life|my life|existing|it all)$",
        r"(?:i|im|ive) (?:\w+ ){0,2}?(?:tired|sick) of (?:living|being alive|existing)",
        r"(?:give|giving|gave|given) up on (?:life|living|my life)",
        r"i (?:\w+ )?hate (?:being alive|living|my life|myself)",
        r"(?:dont|do not) care (?:if|whether) i (?:live|die|wake up|am alive|get hit)",
        # nothing to live for
        r"(?:no|any|without a|without any|not a single) (?:reason|point|purpose|use|sense)s? (?:left )?(?:for me )?(?:to|in|for|of) (?:live|living|life|my life|"
        r"go on|going on|be here|being here|keep going|keep living|carry on|carrying on|exist|existing|continue|continuing|stay alive|staying alive|be alive|being alive)",
        r"(?:no|lost my|lost the|without the|without any) (?:more )?will to (?:live|go on)",
        r"(?:dont|do not|cant|cannot) (?:\w+ )?(?:see|find) (?:the|a|any|much) (?:point|reason|sense|use|future|way out|way forward)(?: (?:in|of|for|to) "
        r"(?:myself|me|anything|life|living|live|going on|go on|it all|being here|being alive|stay|be here|exist))?(?: anymore| any more|$)",
        r"nothing (?:matters|means anything|makes sense)(?: to me)? (?:anymore|any more)",
        r"nothing (?:left |more |else )?(?:for me )?(?:to live for|worth living for)",
        r"(?:whats|what is) the point (?:of|in) (?:living|life|my life|going on|being alive|being here|existing|it all|carrying on)",
        r"(?:life|living|everything|it all) (?:is|feels|seems|isnt|is not|doesnt feel) (?:\w+ )?(?:worth living|meaningless|pointless|worthless|hopeless)",
        r"life (?:has|holds|got) no (?:\w+ )?(?:meaning|purpose|point|sense|value)",
        r"my life (?:is|feels|seems) (?:\w+ )?(?:over|meaningless|pointless|worthless|hopeless|not worth it)",
        r"(?:theres|there is|i see|i have|ive|i have got) no (?:more )?(?:hope|way out|future)(?: left| for me| anymore| in my life|$)",
        r"i(?: have|ve)? lost (?:all|every) (?:hope|will to live)",
        r"(?:i|im) (?:feel |feeling |am |so |completely |utterly |totally |just ){1,3}(?:hopeless|worthless|dead inside)",
        r"(?:i|im) (?:\w+ )?dying inside",
        # a burden; better off without me
        r"(?:i|im) (?:am |feel like |just |only |such ){0,3}a burden",
        r"better off (?:dead|if i (?:was|were) (?:dead|gone)|without me)",
        r"(?:better place|easier for \w+|happier) (?:without me|if i (?:was|were) (?:dead|gone)|if i died)",
        r"(?:nobody|no one|noone) would (?:even )?(?:miss me|care|notice)(?: me)?(?: if i| when im| when i| were i)? ?(?:died|die|was gone|were gone|am gone|gone|disappeared|killed myself|was dead|were dead)",
        r"(?:wish|wished) (?:that )?i (?:was|were|had been|am) (?:dead|never born|not alive|not here anymore)",
        r"(?:wish|wished) (?:that )?i (?:had never been|was never|were never|hadnt been|wasnt) (?:born|alive)",
        r"(?:wish|hope) i (?:wouldnt|would not|dont|wont|would never|never) wake up",
        # preparing
        r"(?:take|took|taking|swallow|swallowed|swallowing) (?:all|too many|every one|a handful|the whole bottle)(?: of)?(?: my| the| these| those)? ?(?:pills|tablets|meds|medication|sleeping pills)",
        r"(?:slit|slitting|cut|cutting) my (?:wrists?|arms?|thighs?|veins)",
        r"(?:relapsed|relapsing|urges?|back to|started|still) (?:\w+ ){0,2}?self harm(?:ing)?",
        r"(?:thinking|thought|think|dreaming|fantasising|fantasizing) (?:of|about) (?:\w+ )?(?:overdosing|ending (?:it|things|it all|everything)$|hanging|jumping off)",
    ),
    wishes=(
        rf"{_MY_WISH} {_DIE}",
        rf"{_SHORT_WISH} {_DIE}",
        rf"(?:kill|killing|hang|hanging|harm|harming|hurt|hurting|cut|cutting|drown|drowning|shoot|unalive|unaliving|starve|poison) {_SELF}",
        r"(?:end|ending|take|taking) my (?:own )?life",
        r"(?:ending|want to end|wanna end|going to end|gonna end|could end|should end|just end) it all",
        r"(?:commit|committing|attempt|attempting|attempted|considering|contemplating|planning) suicide",
        r"(?:i|im|ive|my|me) (?:\w+ ){0,4}?(?:thoughts of|thinking of|thinking about|thought about|think about) suicide",
        r"(?:i|im|ive|me) (?:\w+ ){0,2}?suicidal",
        r"^(?:feeling|so|being|still)(?: \w+)? suicidal",
        r"(?:i|im|ive|my|me|having) (?:\w+ ){0,3}?suicidal (?:thoughts|ideation|feelings|urges)",
        rf"{_MY_WISH} (?:jump off|jump from|jump in front of|overdose(?: on pills)?|self harm)",
        r"(?:i|im|ive) (?:\w+ ){0,4}?self harm(?:ed|ing|s)?",
    ),
    subjects=("i", "im", "ive", "id", "me"),
    negations=(
        "not", "dont", "never", "no longer", "wont", "wouldnt", "didnt", "isnt", "arent", "aint", "cant", "cannot",
        "without", "no", "nobody", "doesnt", "stopped",
    ),
    no_negations=(
        r"(?:cant|cannot|can not|couldnt|dont|do not|wont) (?:stop|help|quit|shake off|get rid of)",
        r"(?:cant|cannot|dont) (?:\w+ ){0,4}?(?:anymore|any more|any longer)",
        r"not (?:ok|okay|well|fine|happy|alright|strong enough|joking|kidding|lying)",
        r"not (?:wake up|exist|be alive|be here)", r"never wake up",
    ),
    harmless=(
        r"to die for",
        r"(?:die|dying|died|dead|kill(?:ing)? (?:myself|me)) (?:\w+ )?(?:laughing|laughter|of laughter|of embarrassment|of shame|"
        r"of cringe|of boredom|of happiness|of joy|of cuteness|of heat|of excitement|of hunger|of thirst|of curiosity)",
        r"die (?:happy|a happy (?:man|woman|person)|on (?:this|that) hill|hard|another day|trying)",
        r"(?:bored|hungry|tired|embarrassed|happy|cold|hot|good|cute|funny|thirsty|beautiful) (?:that )?i (?:could|might|want to|wanna) (?:just )?die",
        r"(?:live|living) (?:here|there|alone|at|near|next|abroad|together|forever|up to|off|under|by|on my own|on campus|"
        r"(?:with|in|on) (?!(?:this |the |all this |so much |my |constant ){0,2}(?:pain|world|life|planet|earth|body|head|mind|misery|hell|"
        r"guilt|shame|depression|agony|myself)\b|(?:it|this|me)(?: anymore| any more|$)))",
        r"(?:kill|killing|hurt|hurting) myself (?:at|in) (?:the gym|work|training|practice|football|yoga)",
        r"(?:kill|killing) myself (?:to (?:get|finish|make|meet|please|pay|pass|be on time)|studying|working|running|training|trying|"
        r"with (?:work|overtime|homework)|(?:over|for|on) (?:the |this |that |my |a |these )?(?:exams?|work|job|deadlines?|homework|essay|thesis|project|paper|bike|treadmill))",
        r"(?:cut|hurt|cutting|hurting|shot|hung) myself (?:while |when i was |when )?(?:shaving|cooking|chopping|slicing|playing|skating|running|dancing|"
        r"climbing|by accident|accidentally|on (?:a|the|my) \w+)",
        r"(?:accidentally|almost|nearly) (?:cut|hurt|hung|shot) myself",
        r"hopeless (?:at|romantics?|with|in)",
        r"hate (?:myself for|my life as|my life choices)",
        r"(?:take|taking) my life (?:back|in|into|to|seriously|easy|slow|one|by|as|with)",
        r"suicid(?:e|al) (?:tendencies|silence|squad|season|blonde|commando|machines)",
        r"(?:songs?|album|track|film|movie|book|lyrics|show|series|documentary|poem) (?:\w+ ){0,2}?about (?:\w+ ){0,3}?(?:suicide|self harm|killing myself|dying|wanting to die)",
        r"(?:point|use|reason|sense) (?:in|to|for|of) (?:living|live|going on|go on|being here|be here|continue|continuing|carry on|keep going) "
        r"(?:in|at|with|about|to|on|near|a diet|holiday|vacation)",
    ),
)  # fmt: skip

PHRASES: Mapping[str, LanguagePhrases] = {"en": ENGLISH}
"""By language code (ISO 639-1)."""
