//! [`OwnerMailWords`]: the words of a mail to an owner, beside those of every mail with a message.

use crate::message::Language;

/// The words of one language. Colons have the spaces that the language gives them.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct OwnerMailWords {
    /// The primary subtag of the language, RFC 5646.
    language: &'static str,
    /// The words before the PBX.
    pub(super) pbx: &'static str,
    /// The words before the mailbox.
    pub(super) mailbox: &'static str,
    /// The line before a transcript.
    pub(super) transcript: &'static str,
    /// The name of a caller of whom nothing is known.
    pub(super) unknown: &'static str,
    /// The end of the sender's name, after the name of the caller.
    pub(super) via_voicemail: &'static str,
    /// The reason why a mail has no sound: it only announces the message.
    pub(super) sound_in_mailbox: &'static str,
    /// The reason why a mail has no sound: the sound is too large.
    pub(super) sound_too_large: &'static str,
}

impl OwnerMailWords {
    /// Returns the words of `language`, or the English ones if it is unknown or has none here.
    pub(super) fn of(language: Option<&Language>) -> &'static Self {
        let wanted = language.map_or("en", Language::primary);
        ALL.iter().find(|words| words.language == wanted).unwrap_or(&ALL[0])
    }
}

static ALL: [OwnerMailWords; 5] = [
    OwnerMailWords {
        language: "en",
        pbx: "PBX: ",
        mailbox: "Mailbox: ",
        transcript: "Transcript, made by a machine:",
        unknown: "Unknown",
        via_voicemail: "via voicemail",
        sound_in_mailbox: "This mail has no sound: call the mailbox to listen to the message.",
        sound_too_large: "The sound is too large for a mail: call the mailbox to listen to the message.",
    },
    OwnerMailWords {
        language: "de",
        pbx: "Anlage: ",
        mailbox: "Mailbox: ",
        transcript: "Abschrift, maschinell erstellt:",
        unknown: "Unbekannt",
        via_voicemail: "über Voicemail",
        sound_in_mailbox: "Diese Mail enthält keine Aufnahme: Rufen Sie Ihre Mailbox an, um die Nachricht zu hören.",
        sound_too_large: "Die Aufnahme ist zu groß für eine Mail: Rufen Sie Ihre Mailbox an, um die Nachricht zu hören.",
    },
    OwnerMailWords {
        language: "fr",
        pbx: "Installation : ",
        mailbox: "Boîte vocale : ",
        transcript: "Transcription automatique :",
        unknown: "Inconnu",
        via_voicemail: "par la messagerie vocale",
        sound_in_mailbox: "Ce courriel ne contient pas l’enregistrement : appelez votre boîte vocale pour écouter le message.",
        sound_too_large: "L’enregistrement est trop volumineux pour un courriel : appelez votre boîte vocale pour écouter le message.",
    },
    OwnerMailWords {
        language: "es",
        pbx: "Centralita: ",
        mailbox: "Buzón de voz: ",
        transcript: "Transcripción automática:",
        unknown: "Desconocido",
        via_voicemail: "por el buzón de voz",
        sound_in_mailbox: "Este correo no contiene la grabación: llame a su buzón de voz para escuchar el mensaje.",
        sound_too_large: "La grabación es demasiado grande para un correo: llame a su buzón de voz para escuchar el mensaje.",
    },
    OwnerMailWords {
        language: "it",
        pbx: "Centralino: ",
        mailbox: "Casella vocale: ",
        transcript: "Trascrizione automatica:",
        unknown: "Sconosciuto",
        via_voicemail: "tramite la casella vocale",
        sound_in_mailbox: "Questa e-mail non contiene la registrazione: chiami la casella vocale per ascoltare il messaggio.",
        sound_too_large: "La registrazione è troppo grande per un’e-mail: chiami la casella vocale per ascoltare il messaggio.",
    },
];
