//! [`Words`]: the words of such a mail in each language.

use super::super::Language;

/// The words of one language. Each is whole as it stands: nothing is declined, and colons have the spaces that the language gives them.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Words {
    /// The primary subtag of the language, RFC 5646.
    pub(super) language: &'static str,
    /// The beginning of a subject whose message is urgent.
    pub(super) urgent: &'static str,
    /// The name for a message, before the name and the number of its caller.
    pub(super) message_from: &'static str,
    /// The name for a message whose caller is unknown.
    pub(super) message_from_unknown: &'static str,
    /// The words before the length of the sound.
    pub(super) length: &'static str,
    /// The words before the time at which the message was recorded.
    pub(super) recorded: &'static str,
    /// The sentence of an urgent message.
    pub(super) is_urgent: &'static str,
    /// The sentence of a private message.
    pub(super) is_private: &'static str,
    /// The words before the mailbox that an undeliverable message was for.
    pub(super) undeliverable_to: &'static str,
    /// The words before the reason.
    pub(super) undeliverable_reason: &'static str,
    /// The words of a receipt about a message that was heard.
    pub(super) heard: ReceiptWords,
    /// The words of a receipt about a message that its owner removed unheard.
    pub(super) removed: ReceiptWords,
    /// The words of a receipt about a message that was removed unheard because of its age.
    pub(super) expired: ReceiptWords,
    /// The words of the report of a message that could not be delivered.
    pub(super) not_delivered: ReceiptWords,
    /// The reasons for it, after a colon.
    pub(super) failures: FailureWords,
}

/// The reasons why a message could not be delivered.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct FailureWords {
    pub(super) no_such_mailbox: &'static str,
    pub(super) mailbox_full: &'static str,
    pub(super) too_long: &'static str,
    pub(super) not_reached: &'static str,
    pub(super) refused: &'static str,
}

/// The words of a receipt.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ReceiptWords {
    /// The words before the mailbox.
    pub(super) before: &'static str,
    /// The words after it.
    pub(super) after: &'static str,
    /// The words before the time at which it happened.
    pub(super) at: &'static str,
}

const fn receipt(before: &'static str, after: &'static str, at: &'static str) -> ReceiptWords {
    ReceiptWords { before, after, at }
}

impl Words {
    /// Returns the words of `language`, or the English ones if it is unknown or has none here.
    pub(super) fn of(language: Option<&Language>) -> &'static Self {
        let wanted = language.map_or("en", Language::primary);
        ALL.iter().find(|words| words.language == wanted).unwrap_or(&ENGLISH)
    }
}

const ENGLISH: Words = Words {
    language: "en",
    urgent: "Urgent: ",
    message_from: "Voice message from",
    message_from_unknown: "Voice message from an unknown caller",
    length: "Length: ",
    recorded: "Recorded: ",
    is_urgent: "This message is urgent.",
    is_private: "This message is private. Please do not pass it on.",
    undeliverable_to: "This message could not be delivered to mailbox ",
    undeliverable_reason: "Reason: ",
    heard: receipt("Your message to", "was heard", "Heard: "),
    removed: receipt("Your message to", "was removed unheard", "Removed: "),
    expired: receipt("Your message to", "was never heard, and was removed because of its age", "Removed: "),
    not_delivered: receipt("Your message to", "could not be delivered: ", "Reported: "),
    failures: FailureWords {
        no_such_mailbox: "no mailbox has this number",
        mailbox_full: "the mailbox is full",
        too_long: "the message is too long for the other system",
        not_reached: "the other system could not be reached",
        refused: "the other system does not accept the message",
    },
};

const GERMAN: Words = Words {
    language: "de",
    urgent: "Dringend: ",
    message_from: "Sprachnachricht von",
    message_from_unknown: "Sprachnachricht von einer unbekannten Nummer",
    length: "Länge: ",
    recorded: "Aufgenommen: ",
    is_urgent: "Diese Nachricht ist dringend.",
    is_private: "Diese Nachricht ist privat. Bitte geben Sie sie nicht weiter.",
    undeliverable_to: "Diese Nachricht konnte nicht zugestellt werden an die Mailbox ",
    undeliverable_reason: "Grund: ",
    heard: receipt("Ihre Nachricht an", "wurde angehört", "Angehört: "),
    removed: receipt("Ihre Nachricht an", "wurde ungehört gelöscht", "Gelöscht: "),
    expired: receipt("Ihre Nachricht an", "wurde nie angehört und wegen ihres Alters gelöscht", "Gelöscht: "),
    not_delivered: receipt("Ihre Nachricht an", "konnte nicht zugestellt werden: ", "Gemeldet: "),
    failures: FailureWords {
        no_such_mailbox: "keine Mailbox hat diese Nummer",
        mailbox_full: "die Mailbox ist voll",
        too_long: "die Nachricht ist zu lang für das andere System",
        not_reached: "das andere System war nicht erreichbar",
        refused: "das andere System nimmt die Nachricht nicht an",
    },
};

const FRENCH: Words = Words {
    language: "fr",
    urgent: "Urgent : ",
    message_from: "Message vocal de",
    message_from_unknown: "Message vocal d’un correspondant inconnu",
    length: "Durée : ",
    recorded: "Enregistré : ",
    is_urgent: "Ce message est urgent.",
    is_private: "Ce message est privé. Merci de ne pas le transmettre.",
    undeliverable_to: "Ce message n’a pas pu être remis à la boîte vocale ",
    undeliverable_reason: "Raison : ",
    heard: receipt("Votre message pour", "a été écouté", "Écouté : "),
    removed: receipt("Votre message pour", "a été supprimé sans être écouté", "Supprimé : "),
    expired: receipt("Votre message pour", "n’a jamais été écouté et a été supprimé en raison de son ancienneté", "Supprimé : "),
    not_delivered: receipt("Votre message pour", "n’a pas pu être remis : ", "Signalé : "),
    failures: FailureWords {
        no_such_mailbox: "aucune boîte vocale n’a ce numéro",
        mailbox_full: "la boîte vocale est pleine",
        too_long: "le message est trop long pour l’autre système",
        not_reached: "l’autre système n’a pas pu être joint",
        refused: "l’autre système n’accepte pas le message",
    },
};

const SPANISH: Words = Words {
    language: "es",
    urgent: "Urgente: ",
    message_from: "Mensaje de voz de",
    message_from_unknown: "Mensaje de voz de un número desconocido",
    length: "Duración: ",
    recorded: "Grabado: ",
    is_urgent: "Este mensaje es urgente.",
    is_private: "Este mensaje es privado. Por favor, no lo reenvíe.",
    undeliverable_to: "Este mensaje no se pudo entregar al buzón de voz ",
    undeliverable_reason: "Motivo: ",
    heard: receipt("Su mensaje para", "ha sido escuchado", "Escuchado: "),
    removed: receipt("Su mensaje para", "se eliminó sin ser escuchado", "Eliminado: "),
    expired: receipt("Su mensaje para", "nunca fue escuchado y se eliminó por su antigüedad", "Eliminado: "),
    not_delivered: receipt("Su mensaje para", "no se pudo entregar: ", "Notificado: "),
    failures: FailureWords {
        no_such_mailbox: "ningún buzón tiene este número",
        mailbox_full: "el buzón está lleno",
        too_long: "el mensaje es demasiado largo para el otro sistema",
        not_reached: "no se pudo contactar con el otro sistema",
        refused: "el otro sistema no acepta el mensaje",
    },
};

const ITALIAN: Words = Words {
    language: "it",
    urgent: "Urgente: ",
    message_from: "Messaggio vocale da",
    message_from_unknown: "Messaggio vocale da un numero sconosciuto",
    length: "Durata: ",
    recorded: "Registrato: ",
    is_urgent: "Questo messaggio è urgente.",
    is_private: "Questo messaggio è privato. Si prega di non inoltrarlo.",
    undeliverable_to: "Non è stato possibile consegnare questo messaggio alla casella vocale ",
    undeliverable_reason: "Motivo: ",
    heard: receipt("Il suo messaggio per", "è stato ascoltato", "Ascoltato: "),
    removed: receipt("Il suo messaggio per", "è stato eliminato senza essere ascoltato", "Eliminato: "),
    expired: receipt(
        "Il suo messaggio per",
        "non è mai stato ascoltato ed è stato eliminato perché troppo vecchio",
        "Eliminato: ",
    ),
    not_delivered: receipt("Il suo messaggio per", "non ha potuto essere recapitato: ", "Segnalato: "),
    failures: FailureWords {
        no_such_mailbox: "nessuna casella vocale ha questo numero",
        mailbox_full: "la casella vocale è piena",
        too_long: "il messaggio è troppo lungo per l’altro sistema",
        not_reached: "l’altro sistema non è raggiungibile",
        refused: "l’altro sistema non accetta il messaggio",
    },
};

/// All languages that have words: those that the telephone speaks.
pub(super) static ALL: [Words; 5] = [ENGLISH, GERMAN, FRENCH, SPANISH, ITALIAN];
